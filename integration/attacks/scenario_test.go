// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"
	corev1 "k8s.io/api/core/v1"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// class is what an attack makes use of.
type class string

const (
	transit class = "transit" // it is in a namespace of the host, but not when somebody looks
	left    class = "left"    // it is not where the auditor looks for the container's processes
	held    class = "held"    // it holds what is the host's without being in a namespace of the host
	rules   class = "rules"   // the packet filter leads to it
	floods  class = "floods"  // it costs whoever looks as much as it can
	known   class = "known"   // none of these: what nsaudit has always found
)

// scenario is a container, what it does, and what is to be said about it.
type scenario struct {
	name     string // short, of plain words; the container is named like it
	class    class
	innocent bool

	in box
	// steps are those of /bin/act, the container's program. See steps and lastSteps.
	steps []string
	// happens is what is done on the node once the steps are taken.
	happens func(t *testing.T, s *scene)

	// pause: it is about the pod's pause container.
	pause bool
	// want is what is to be said about the container, and about nothing else.
	want expectation
	// also are reasons and causes that depend on who is played beside it.
	also []string
	// pending says that it is not yet so. A pending scenario that does what it should fails the suite.
	pending bool
	// blamed is the container that is blamed as long as it is not.
	blamed string
	// open is why it can't be seen, ever. It fails the suite once it is seen after all.
	open string
	// hangs: its shim does, until the end of the suite.
	hangs bool
	// ends: the container's program does so.
	ends bool
	// alone: it would disturb others.
	alone bool
}

func (s *scenario) id() string {
	kind := "attack"
	if s.innocent {
		kind = "innocent"
	}
	return string(s.class) + "/" + kind + "/" + s.name
}

// box is the container of a scenario: that of a pod, or one outside of pods.
type box struct {
	pod      *runtimetest.PodSpec
	security *corev1.SecurityContext
	ports    []runtimetest.Port
	options  []oci.SpecOpts
	hostProc bool // the host's procfs is mounted at /host/proc
	hostSys  bool // the host's cgroups are mounted at /host/cgroup
}

// ordinary is a container outside of pods with no rights beyond the default.
func ordinary() box { return box{} }

// privileged is a privileged container outside of pods that has the host's procfs.
func privileged() box { return box{options: []oci.SpecOpts{oci.WithPrivileged}, hostProc: true} }

// capable is a container outside of pods with some capabilities more.
func capable(names ...string) box {
	return box{options: []oci.SpecOpts{oci.WithAddedCapabilities(names)}}
}

// ordinaryPod is a pod that asks for nothing.
func ordinaryPod() box { return box{pod: &runtimetest.PodSpec{}} }

// privilegedPod is a pod with a privileged container that has the host's procfs.
func privilegedPod() box {
	return box{pod: &runtimetest.PodSpec{}, security: runtimetest.Privileged(), hostProc: true}
}

// hostNetwork is a pod in the host's network, as it declares, with some capabilities more.
func hostNetwork(names ...corev1.Capability) box {
	return box{pod: &runtimetest.PodSpec{HostNetwork: true}, security: runtimetest.Add(names...)}
}

// scene is a scenario that is played.
type scene struct {
	*scenario
	*node

	main runtimetest.Container
	pod  *runtimetest.Pod // nil outside of pods
	// undo is what has to go when the scene ends, and does not go with the container.
	undo []func(*testing.T)
}

const namespace = "attacks"

// start runs the container, waits until it has taken its steps and lets happen what happens to it.
func (s *scene) start(t *testing.T) {
	t.Helper()
	name, command := s.containerName(), []string{"/bin/act"}
	for _, step := range s.steps {
		command = append(command, strings.NewReplacer(s.places()...).Replace(step))
	}
	if s.in.pod == nil {
		options := append(slices.Clone(s.in.options), oci.WithProcessArgs(command...), oci.WithMounts(s.in.mounts()))
		s.main = s.RunContainer(t, namespace, name, options...)
	} else {
		spec := *s.in.pod
		spec.Name = name
		main := runtimetest.ContainerSpec{Name: "main", Command: command, Security: s.in.security, Ports: s.in.ports}
		for _, m := range s.in.mounts() {
			main.Mounts = append(main.Mounts, &runtime.Mount{HostPath: m.Source, ContainerPath: m.Destination})
		}
		spec.Containers = append(slices.Clone(spec.Containers), main)
		s.pod = s.RunPod(t, spec)
		s.main = s.pod.Container(t, "main")
	}
	eventually.True(t, "the steps are taken", func() bool {
		comm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.main.PID), "comm"))
		if err != nil && !s.ends {
			t.Fatalf("%s has ended: %v", s.id(), err)
		}
		return err != nil || strings.TrimSpace(string(comm)) != "act"
	})
	if s.happens != nil {
		s.happens(t, s)
	}
}

// places are what steps name that is known only once the machine runs.
func (n *node) places() []string {
	first, _, _ := strings.Cut(n.victimCgroup[1:], "/")
	return []string{"{victim}", n.victimCgroup, "{root}", "/" + first}
}

func (b box) mounts() []specs.Mount {
	var mounts []specs.Mount
	if b.hostProc {
		mounts = append(mounts, specs.Mount{Source: "/proc", Destination: "/host/proc", Type: "bind", Options: []string{"rbind"}})
	}
	if b.hostSys {
		mounts = append(mounts, specs.Mount{Source: "/sys/fs/cgroup", Destination: "/host/cgroup", Type: "bind", Options: []string{"rbind"}})
	}
	return mounts
}

// containerName is the scenario's name as containers and pods may be named.
func (s *scenario) containerName() string {
	var b strings.Builder
	for _, letter := range strings.ToLower(string(s.class) + "-" + s.name) {
		switch {
		case letter >= 'a' && letter <= 'z' || letter >= '0' && letter <= '9':
			b.WriteRune(letter)
		case !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	if s.innocent {
		return "innocent-" + strings.Trim(b.String(), "-")
	}
	return strings.Trim(b.String(), "-")
}

// subject is the id of the container that the scene is about; "" for the node.
func (s *scene) subject() string {
	if s.want.node {
		return ""
	}
	if s.pause {
		return s.pod.Sandbox.ID
	}
	return s.main.ID
}

// owns reports whether a container is of the scene's pod.
func (s *scene) owns(id string) bool {
	if s.pod == nil {
		return id == s.main.ID
	}
	return id == s.pod.Sandbox.ID || slices.ContainsFunc(s.pod.Containers, func(c runtimetest.Container) bool { return c.ID == id })
}

// end removes the container.
func (s *scene) end(t *testing.T) {
	t.Helper()
	for _, undo := range s.undo {
		undo(t)
	}
	if s.pod != nil {
		s.endPod(t)
		return
	}
	ctx := namespaces.WithNamespace(t.Context(), namespace)
	container, err := s.Client(t).LoadContainer(ctx, s.main.ID)
	if err != nil {
		t.Fatal(err)
	}
	task, err := container.Task(ctx, nil)
	if err == nil {
		_, err = task.Delete(ctx, client.WithProcessKill)
	}
	if err != nil {
		t.Errorf("end %s: %v", s.id(), err)
	}
}

// pauseTask freezes the container.
func pauseTask(t *testing.T, s *scene) {
	t.Helper()
	ctx := namespaces.WithNamespace(t.Context(), s.main.Namespace)
	container, err := s.Client(s.t).LoadContainer(ctx, s.main.ID)
	if err != nil {
		t.Fatal(err)
	}
	task, err := container.Task(ctx, nil)
	if err == nil {
		err = task.Pause(ctx)
	}
	if err != nil {
		t.Fatalf("freeze %s: %v", s.id(), err)
	}
	// What is frozen can't be killed with cgroup v1.
	s.t.Cleanup(func() { _ = task.Resume(context.WithoutCancel(ctx)) })
}

func (s *scene) endPod(t *testing.T) {
	t.Helper()
	_, err := s.Runtime().StopPodSandbox(t.Context(), &runtime.StopPodSandboxRequest{PodSandboxId: s.pod.Sandbox.ID})
	if err == nil {
		_, err = s.Runtime().RemovePodSandbox(t.Context(), &runtime.RemovePodSandboxRequest{PodSandboxId: s.pod.Sandbox.ID})
	}
	if err != nil {
		t.Errorf("end %s: %v", s.id(), err)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
