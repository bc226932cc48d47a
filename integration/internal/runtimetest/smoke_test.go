// SPDX-License-Identifier: Apache-2.0

//go:build linux && integration

package runtimetest

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
)

func TestMain(m *testing.M) {
	PlayRole()
	os.Exit(m.Run())
}

// TestSmoke runs everything against one containerd and then looks for what it left behind.
func TestSmoke(t *testing.T) {
	var c *Containerd
	var sockets []string
	t.Run("containerd", func(t *testing.T) {
		c = Start(t)
		t.Logf("containerd %s", c.Version())
		t.Run("containers", smoke{c}.testContainers)
		t.Run("pods", smoke{c}.testPods)
		t.Run("escapees", smoke{c}.testEscapees)
		t.Run("image labels", smoke{c}.testImageLabels)
		t.Run("ended container", smoke{c}.testEnded)
		t.Run("hung shim", smoke{c}.testHungShim)
		t.Run("restart", smoke{c}.testRestart)
		// The end has to cope with a test that went away half-way, as this one does.
		hung := c.RunContainer(t, "left", "hung")
		c.Hang(t, hung.Namespace, hung.ID)
		c.Stop(t)
		sockets = shimSockets(c.dir)
	})
	if !t.Failed() {
		wantNothingLeft(t, c, sockets)
	}
}

// smoke is the containerd that the parts of TestSmoke share.
type smoke struct{ *Containerd }

// testEnded has a program that ends at once, so that there may be no process to look at any more.
func (c smoke) testEnded(t *testing.T) {
	ended := c.RunContainer(t, "ended", "ended", oci.WithProcessArgs("/bin/threads")) // It wants an argument.
	eventually.True(t, "the program has ended", func() bool {
		_, err := os.Stat(procPath(ended.PID))
		return os.IsNotExist(err)
	})
	if again := c.running(t, ended.Namespace, ended.ID); again != ended {
		t.Errorf("container %+v, then %+v", ended, again)
	}
}

// TestSweepStale cleans up after a test that was killed, which has no chance to do so itself.
func TestSweepStale(t *testing.T) {
	c := Start(t)
	c.RunPod(t, NormalPod())
	// The name of a process that can't be: process IDs end at 2^22.
	stale := filepath.Join(os.TempDir(), namePrefix+"4194305_1")
	t.Cleanup(func() { _ = os.RemoveAll(stale) })
	if err := os.MkdirAll(filepath.Join(stale, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	sweepStale(t)
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("%s: %v", stale, err)
	}
	if _, err := c.Client(t).Version(t.Context()); err != nil {
		t.Errorf("a containerd in use was swept away: %v", err)
	}
}

func (c smoke) testContainers(t *testing.T) {
	plain := c.RunContainer(t, "default", "plain")
	wantHost(t, c.Containerd, plain.PID)
	hostNet := c.RunContainer(t, "moby", "host-net", oci.WithHostNamespace(specs.NetworkNamespace))
	wantHost(t, c.Containerd, hostNet.PID, "net")
	ctx, cancel := within(t, "moby")
	defer cancel()
	containers, err := c.Client(t).Containers(ctx)
	if err != nil || len(containers) != 1 || containers[0].ID() != hostNet.ID {
		t.Errorf("containers in moby: %v, %v", containers, err)
	}
}

func (c smoke) testPods(t *testing.T) {
	for _, test := range []struct {
		spec PodSpec
		host []string
	}{
		{spec: NormalPod()},
		{spec: HostNetworkPod(), host: []string{"net", "uts"}},
		{spec: HostPortPod()},
		{spec: HostPIDIPCPod(), host: []string{"pid", "ipc"}},
		{spec: SharedPIDPod()},
	} {
		t.Run(test.spec.Name, func(t *testing.T) {
			pod := c.RunPod(t, test.spec)
			wantHost(t, c.Containerd, pod.Sandbox.PID, test.host...)
			for i, container := range pod.Containers {
				wantHost(t, c.Containerd, container.PID, test.host...)
				wantSame(t, pod.Sandbox.PID, container.PID, "net", true)
				wantSame(t, pod.Sandbox.PID, container.PID, "pid", test.spec.HostPID || test.spec.ShareProcessNamespace)
				if want := test.spec.Containers[i].Name; container.Name != want {
					t.Errorf("container %d is %q, want %q", i, container.Name, want)
				}
			}
		})
	}
	t.Run("user namespace", func(t *testing.T) {
		pod := c.RunPod(t, PodSpec{Name: "userns", UserNamespace: true})
		// containerd 1.6 takes the wish and ignores it.
		wantSame(t, c.PID(), pod.Sandbox.PID, "user", c.major() == "1")
	})
	t.Run("debug container", func(t *testing.T) {
		spec := NormalPod()
		spec.Name = "debugged"
		pod := c.RunPod(t, spec)
		debugger := c.AddContainer(t, pod, ContainerSpec{Name: "debugger", Target: "main"})
		wantSame(t, pod.Container(t, "main").PID, debugger.PID, "pid", true)
		wantHost(t, c.Containerd, debugger.PID)
	})
}

func (c smoke) testEscapees(t *testing.T) {
	victim := c.RunContainer(t, "default", "victim")
	escapee := c.JoinHost(t, victim.PID, "net", "ipc")
	wantHost(t, c.Containerd, escapee, "net", "ipc")
	wantSame(t, victim.PID, escapee, "pid", true)
	wantSame(t, victim.PID, escapee, "mnt", true)
	if got, want := readFile(t, procPath(escapee, "cgroup")), readFile(t, procPath(victim.PID, "cgroup")); got != want {
		t.Errorf("cgroups of the escapee:\n%swant:\n%s", got, want)
	}

	hostNet := filepath.Join("/host/proc", strconv.Itoa(c.PID()), "ns/net")
	spec := PodSpec{Name: "setns", Containers: []ContainerSpec{{
		Name:     "main",
		Command:  []string{"/bin/setns-thread", hostNet},
		Security: Privileged(),
		Mounts:   []*runtime.Mount{{HostPath: "/proc", ContainerPath: "/host/proc"}},
	}}}
	pid := c.RunPod(t, spec).Container(t, "main").PID
	eventually.True(t, "one thread is in the host's network namespace", func() bool { return threadsInHostNet(t, c.Containerd, pid) == 1 })
	wantHost(t, c.Containerd, pid)

	threads := c.RunContainer(t, "default", "threads", oci.WithProcessArgs("/bin/threads", "50"))
	eventually.True(t, "there are 50 threads", func() bool {
		tasks, err := os.ReadDir(procPath(threads.PID, "task"))
		return err == nil && len(tasks) > 50
	})
}

func (c smoke) testImageLabels(t *testing.T) {
	hostile := Image{Name: "docker.io/library/hostile:latest", Labels: map[string]string{"io.kubernetes.pod.name": "forged", "x": "y"}}
	hostile.Command = []string{sleepPath}
	c.ImportImage(t, CRINamespace, hostile)
	pod := c.RunPod(t, PodSpec{Name: "hostile", Containers: []ContainerSpec{{Name: "main", Image: hostile.Name}}})
	ctx, cancel := within(t, CRINamespace)
	defer cancel()
	container, err := c.client.ContainerService().Get(ctx, pod.Containers[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if container.Labels["x"] != "y" || container.Labels["io.kubernetes.pod.name"] != "hostile" {
		t.Errorf("labels: %v", container.Labels)
	}
}

func (c smoke) testHungShim(t *testing.T) {
	container := c.RunContainer(t, "default", "hanging")
	resume := c.Hang(t, container.Namespace, container.ID)
	if pid := c.initPID(t, container.Namespace, container.ID); pid != container.PID {
		t.Errorf("process %d, want %d", pid, container.PID)
	}
	resume()
	ctx, cancel := within(t, container.Namespace)
	defer cancel()
	loaded, err := c.client.LoadContainer(ctx, container.ID)
	if err != nil {
		t.Fatal(err)
	}
	task, err := loaded.Task(ctx, nil)
	if err != nil || int(task.Pid()) != container.PID {
		t.Errorf("task %v, %v", task, err)
	}
}

func (c smoke) testRestart(t *testing.T) {
	cl := c.Client(t)
	pod, plain, daemon := c.RunPod(t, PodSpec{Name: "survivor"}), c.RunContainer(t, "default", "survivor"), c.PID()
	c.Stop(t)
	if c.PID() != 0 {
		t.Errorf("a stopped daemon has process ID %d", c.PID())
	}
	wantSame(t, os.Getpid(), pod.Sandbox.PID, "net", false)
	c.Restart(t)
	if c.PID() == daemon || c.PID() == 0 {
		t.Errorf("process ID after a restart: %d, before: %d", c.PID(), daemon)
	}
	for _, container := range []Container{pod.Sandbox, plain} {
		ctx := namespaces.WithNamespace(t.Context(), container.Namespace)
		eventually.True(t, "the task of "+container.ID+" is known again", func() bool {
			loaded, err := cl.LoadContainer(ctx, container.ID)
			if err != nil {
				return false
			}
			task, err := loaded.Task(ctx, nil)
			return err == nil && int(task.Pid()) == container.PID
		})
	}
}
