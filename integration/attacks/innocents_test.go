// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// daily is what goes on on a node every day.
func daily() []scenario {
	shared := ordinaryPod()
	shared.pod.ShareProcessNamespace = true
	agent := box{
		pod:      &runtimetest.PodSpec{HostNetwork: true, HostPID: true, HostIPC: true},
		security: runtimetest.Privileged(), hostProc: true, hostSys: true,
	}
	slow := ordinary()
	const period, quota = 100_000, 2_000
	slow.options = []oci.SpecOpts{oci.WithCPUCFS(quota, period)}
	declared := ordinary()
	declared.options = []oci.SpecOpts{oci.WithHostNamespace(specs.NetworkNamespace), oci.WithHostNamespace(specs.IPCNamespace)}
	return []scenario{
		{name: "a pod with probes", in: ordinaryPod(), happens: probes},
		{name: "a pod that is debugged from the node", in: ordinaryPod(), happens: entered("-n", "sleep", "600")},
		{name: "a container all of whose namespaces an admin is in", in: ordinary(), happens: entered("-n", "-i", "-u", "-p", "-m", "/bin/sleep")},
		{name: "a pod with a debug container", in: ordinaryPod(), happens: func(t *testing.T, s *scene) {
			t.Helper()
			s.AddContainer(t, s.pod, runtimetest.ContainerSpec{Name: "debugger", Target: "main"})
		}},
		{name: "a network plugin at work in the pod", in: ordinaryPod(), happens: plugin},
		{name: "containers that share process ids", in: shared, happens: func(t *testing.T, s *scene) {
			t.Helper()
			s.AddContainer(t, s.pod, runtimetest.ContainerSpec{Name: "sidecar"})
		}},
		{name: "a node agent that declares all", in: agent, steps: []string{"keep:x=/host/proc/1/ns/net", "socket:packet"}},
		{name: "a container that declares the host's network and IPC", in: declared},
		{name: "a build that makes user namespaces", in: privileged(), steps: []string{"nested", "/bin/act"}},
		{name: "namespaces of its own", in: privileged(), steps: []string{"born:net,ipc,uts", ";", "born:pid"}},
		{name: "a program that is traced", in: ordinary(), steps: []string{"fork", "stopped"}},
		{name: "a dead first thread", in: ordinary(), steps: []string{"fork", "aside", "told", ";;", "sleep:200", "end-leader"}},
		{name: "frozen", in: ordinary(), happens: pauseTask},
		{name: "throttled from its start", in: slow},
		{name: "processes that come and go", in: ordinary(), steps: []string{"told", "repeat", "fork", "told", "exit", ";;", "sleep:20"}},
		{name: "200 threads", in: ordinary(), steps: []string{"threads:200", "told"}},
		{name: "a program that gives up its rights", in: ordinary(), steps: []string{"fork", "no-caps"}},
		{name: "containers that start and end, 50 a minute", in: ordinary(), happens: churnContainers},
	}
}

// probes executes a program in the container again and again, as the kubelet does for a probe.
func probes(_ *testing.T, s *scene) {
	s.beside(1200*time.Millisecond, func() {
		// The last one may be cut off by the end of the suite.
		_, _ = s.Runtime().ExecSync(s.t.Context(), &runtime.ExecSyncRequest{ContainerId: s.main.ID, Cmd: []string{"/bin/act", "exit"}})
	})
}

// entered has a program of the node in namespaces of the container until the end.
func entered(args ...string) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		t.Helper()
		cmd := exec.CommandContext(s.t.Context(), "nsenter", append([]string{"-t", strconv.Itoa(s.main.PID)}, args...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s.t.Cleanup(func() { _ = cmd.Wait() })
	}
}

// plugin has programs of the node visit the pod's network, as CNI plugins do.
func plugin(_ *testing.T, s *scene) {
	s.beside(300*time.Millisecond, func() {
		_ = exec.CommandContext(s.t.Context(), "nsenter", "-t", strconv.Itoa(s.main.PID), "-n", "ip", "address").Run()
	})
}

// churnContainers starts containers that end at once.
func churnContainers(_ *testing.T, s *scene) {
	n := 0
	s.beside(1200*time.Millisecond, func() {
		n++
		name := "churn-" + strconv.Itoa(n)
		passing := &scene{scenario: &scenario{name: name}, node: s.node}
		passing.main = s.RunContainer(s.t, namespace, name, oci.WithProcessArgs("/bin/act", "exit"))
		passing.end(s.t)
	})
}

// beside does something again and again until the suite ends.
func (s *scene) beside(pause time.Duration, do func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(pause):
				do()
			}
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stops = append(s.stops, func() {
		close(stop)
		<-stopped
	})
}
