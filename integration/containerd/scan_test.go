// SPDX-License-Identifier: Apache-2.0

//go:build integration

package containerd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// The findings of the chapter's manifests.
var (
	hostNetworkFinding = "default/pod-with-host-network main HostNetwork pod"
	hostPIDFinding     = "default/pod-with-host-pid-and-ipc main HostPID pod"
	hostIPCFinding     = "default/pod-with-host-pid-and-ipc main HostIPC pod"
)

// TestPods has the chapter's three pods, and others that share among themselves only.
func TestPods(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)
	wantFindings(t, command.scan(t))

	c.RunPod(t, runtimetest.HostNetworkPod())
	c.RunPod(t, runtimetest.HostPIDIPCPod())
	c.RunPod(t, runtimetest.HostPortPod())
	c.RunPod(t, runtimetest.SharedPIDPod())
	c.RunPod(t, runtimetest.PodSpec{Name: "user-namespace", UserNamespace: true})
	normal := c.RunPod(t, runtimetest.NormalPod())
	c.AddContainer(t, normal, runtimetest.ContainerSpec{Name: "debugger", Target: "main"})

	scan := command.scan(t)
	// This containerd has no plugin that would forward the port.
	const forwarded = "default/kubia-hostport kubia HostPort pod HostPortNotInEffect"
	wantFindings(t, scan, hostNetworkFinding, hostPIDFinding, hostIPCFinding, forwarded)
	wantAllSeen(t, scan)
	if scan.Inventory.Source != "containerd" || scan.Inventory.Version != c.Version() {
		t.Errorf("inventory: %+v, want containerd %s", scan.Inventory, c.Version())
	}
	own := 0
	for _, container := range scan.Containers {
		if container.RuntimeNamespace == runtimetest.CRINamespace {
			own++
		}
	}
	if want := 6 + 7; own != want {
		t.Errorf("%d containers were looked at, want %d", own, want)
	}

	t.Run("filters", func(t *testing.T) {
		wantFindings(t, command.scan(t, "--pod", "pod-with-host-network"), hostNetworkFinding)
		wantFindings(t, command.scan(t, "-n", "elsewhere"))
	})
	t.Run("users of a pod of which only the pause container runs", func(t *testing.T) {
		scan := command.scan(t, "--checks", "HostUsers", "--pod", "user-namespace")
		if len(scan.Containers) != 1 || len(scan.Findings)+len(scan.Posture) > 0 {
			t.Errorf("containers %+v, findings %+v, posture %+v", scan.Containers, scan.Findings, scan.Posture)
		}
	})
	t.Run("table", func(t *testing.T) {
		got := command.run(t, nil, "-n", "default")
		if got.code != 0 || got.err != "" {
			t.Errorf("exit code %d, stderr %q", got.code, got.err)
		}
		t.Logf("\n%s", got.out)
		for _, want := range []string{"POD ", "default/pod-with-host-network ", "4 findings: 0 undeclared, 0 of unknown origin, 0 expected"} {
			if !strings.Contains(got.out, want) {
				t.Errorf("the table lacks %q", want)
			}
		}
	})
	t.Run("fail-on", func(t *testing.T) {
		undeclared := 0
		if slices.ContainsFunc(scan.Findings, func(f v1alpha1.Finding) bool { return !f.DeclaredBy.Declared() }) {
			undeclared = 3 // Of another runtime's containers on this machine.
		}
		for failOn, want := range map[string]int{"never": 0, "undeclared": undeclared, "any": 3} {
			if got := command.run(t, nil, "--fail-on", failOn); got.code != want {
				t.Errorf("--fail-on %s: exit code %d, want %d: %s", failOn, got.code, want, got.err)
			}
		}
	})
	t.Run("save and judge again", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "snapshot.json")
		live := command.run(t, nil, "-o", "json", "--save", path)
		again := nsaudit{command.path, []string{"scan"}}.run(t, nil, "-o", "json", "--from", path)
		if diff := cmp.Diff(live.out, again.out); diff != "" {
			t.Errorf("the saved snapshot is judged otherwise (-live +again):\n%s", diff)
		}
	})
}

// TestEscapes has what no pod asked for.
func TestEscapes(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)

	normal := c.RunPod(t, runtimetest.NormalPod())
	escapee := c.JoinHost(t, normal.Container(t, "main").PID, "net")
	hostNet := filepath.Join("/host/proc", strconv.Itoa(c.PID()), "ns/net")
	thread := c.RunPod(t, runtimetest.PodSpec{Name: "setns", Containers: []runtimetest.ContainerSpec{{
		Name: "main", Command: []string{"/bin/setns-thread", hostNet}, Security: runtimetest.Privileged(),
		Mounts: []*runtime.Mount{{HostPath: "/proc", ContainerPath: "/host/proc"}},
	}}})
	quiet := c.RunPod(t, runtimetest.PodSpec{Name: "quiet", Containers: []runtimetest.ContainerSpec{{Name: "main"}}})
	intruder := c.JoinHost(t, quiet.Sandbox.PID, "ipc")

	want := []string{
		"default/normal main HostNetwork nobody",
		"default/setns main HostNetwork nobody",
		"default/setns main Privileged pod",
		"default/quiet  HostIPC nobody",
	}
	eventually.True(t, "the thread has joined", func() bool { return len(findings(command.scan(t))) == len(want) })
	scan := command.scan(t)
	wantFindings(t, scan, want...)
	wantAllSeen(t, scan)

	moved := finding(t, scan, normal.Container(t, "main").ID, "HostNetwork").Evidence
	if len(moved.Processes) != 1 || moved.Processes[0].PID != escapee || len(moved.Processes[0].TIDs) != 0 {
		t.Errorf("evidence %+v, want the whole of process %d", moved, escapee)
	}
	stray := finding(t, scan, thread.Container(t, "main").ID, "HostNetwork").Evidence
	if len(stray.Processes) != 1 || stray.Processes[0].Threads != 1 || len(stray.Processes[0].TIDs) != 1 {
		t.Errorf("evidence %+v, want one thread", stray)
	}
	if host := scan.Host.Namespaces[stray.Kind]; stray.Namespace != host || host.Dev == 0 {
		t.Errorf("evidence names namespace %v, the host's is %v", stray.Namespace, host)
	}
	if pause := finding(t, scan, quiet.Sandbox.ID, "HostIPC"); !pause.Container.Sandbox || pause.Evidence.Processes[0].PID != intruder {
		t.Errorf("finding %+v, want process %d in the pause container", pause, intruder)
	}
	if got := command.run(t, nil, "--fail-on", "undeclared"); got.code != 3 {
		t.Errorf("--fail-on undeclared: exit code %d, want 3", got.code)
	}
}

// TestContainersWithoutPods has containers beside Kubernetes, of several containerd
// namespaces.
func TestContainersWithoutPods(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)

	hostPath := fmt.Sprintf("/proc/%d/ns/", c.PID())
	c.RunContainer(t, "default", "own")
	c.RunContainer(t, "moby", "host-net", oci.WithHostNamespace(specs.NetworkNamespace))
	c.RunContainer(t, "default", "host-pid-ipc", oci.WithHostNamespace(specs.PIDNamespace), oci.WithHostNamespace(specs.IPCNamespace))
	joined := c.RunContainer(t, "other", "joined",
		oci.WithLinuxNamespace(specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: hostPath + "net"}))
	c.RunContainer(t, "other", "among-themselves",
		oci.WithLinuxNamespace(specs.LinuxNamespace{Type: specs.IPCNamespace, Path: fmt.Sprintf("/proc/%d/ns/ipc", joined.PID)}))
	// Looks like a pod's, in the containerd namespace of pods, but CRI has not made it.
	c.RunContainer(t, "k8s.io", "beside", oci.WithHostNamespace(specs.NetworkNamespace),
		oci.WithAnnotations(map[string]string{"io.kubernetes.cri.sandbox-name": "coredns"}))
	// A megabyte in the spec, as an image's environment may bring it.
	c.RunContainer(t, "default", "huge", oci.WithEnv([]string{"A=" + strings.Repeat("x", 100<<10)}), oci.WithHostNamespace(specs.NetworkNamespace),
		oci.WithAnnotations(map[string]string{"huge": strings.Repeat("x", 1<<20)}))

	scan := command.scan(t)
	wantAllSeen(t, scan)
	wantFindings(t, scan,
		"moby/host-net HostNetwork spec",
		"default/host-pid-ipc HostPID spec",
		"default/host-pid-ipc HostIPC spec",
		"other/joined HostNetwork nobody",
		"k8s.io/beside HostNetwork spec",
		"default/huge HostNetwork spec",
	)
	if got, want := finding(t, scan, "joined", "HostNetwork").Evidence.JoinedPath, hostPath+"net"; got != want {
		t.Errorf("joined path %q, want %q", got, want)
	}
}

// TestInitIsGone has a process that outlives its container's init, because it is in the
// host's pid namespace.
func TestInitIsGone(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)
	gone := c.RunContainer(t, "default", "gone")
	survivor := c.JoinHost(t, gone.PID, "pid")
	kill(t, gone.PID)
	eventually.True(t, "containerd has noticed", func() bool {
		for _, container := range command.scan(t).Containers {
			if container.ID == gone.ID {
				return container.Status == "stopped"
			}
		}
		return false
	})
	scan := command.scan(t)
	wantFindings(t, scan, "default/gone HostPID nobody")
	if got := finding(t, scan, gone.ID, "HostPID").Evidence.Processes[0].PID; got != survivor {
		t.Errorf("evidence names process %d, want %d", got, survivor)
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
}
