// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"slices"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// knownAttacks are in a namespace of the host and stay there.
func knownAttacks() []scenario {
	const net, ipc, mounts = "UndeclaredHostNetwork", "UndeclaredHostIPC", "UndeclaredHostMount"
	joined := func(kind specs.LinuxNamespaceType, path string) box {
		b := ordinary()
		b.options = []oci.SpecOpts{oci.WithLinuxNamespace(specs.LinuxNamespace{Type: kind, Path: path})}
		return b
	}
	seesAll := box{pod: &runtimetest.PodSpec{HostPID: true}, security: runtimetest.Privileged(), hostProc: true}
	return []scenario{
		{name: "a thread in the host's network", in: privileged(), steps: []string{"thread", toHostNet}, want: finding(net)},
		{name: "a thread of a pod", in: privilegedPod(), steps: []string{"thread", toHostNet}, want: finding(net)},
		{name: "the first thread", also: netless(), in: privileged(), steps: []string{toHostNet}, want: finding(net)},
		{name: "a child", in: privileged(), steps: []string{"fork", toHostNet}, want: finding(net)},
		{name: "a thread in the host's IPC", in: privileged(), steps: []string{"thread", "setns:/host/proc/1/ns/ipc"}, want: finding(ipc)},
		{name: "a thread in the host's UTS", in: privileged(), steps: []string{"thread", "setns:/host/proc/1/ns/uts"}, want: finding("UndeclaredHostUTS")},
		{name: "a child with the host's mounts", in: privileged(), steps: []string{"fork", "unshare:fs", "setns:/host/proc/1/ns/mnt"}, want: finding(mounts)},
		{
			name: "a child in all there are", in: privileged(), want: finding(mounts, net, ipc, "UndeclaredHostUTS"),
			steps: []string{"fork", "unshare:fs", "setns:/host/proc/1/ns/net,/host/proc/1/ns/ipc,/host/proc/1/ns/uts,/host/proc/1/ns/mnt"},
		},
		{
			name: "two hops, as nsenter makes them", in: privileged(), want: finding(mounts, net),
			steps: []string{"fork", "unshare:fs", "setns:/host/proc/1/ns/net,/host/proc/1/ns/mnt", "fork", ";;", "told", "exit"},
		},
		{name: "one of 1,000 threads", in: privileged(), steps: []string{"threads:999", ";", "thread", toHostNet}, want: finding(net)},
		{name: "threads of a dead leader", in: privileged(), steps: []string{"fork", "aside", toHostNet, ";;", "sleep:200", "end-leader"}, want: finding(net)},
		{name: "stopped by ptrace", in: privileged(), steps: []string{"fork", toHostNet, "stopped"}, want: finding(net)},
		{name: "by a descriptor of a process", in: seesAll, steps: []string{"thread", "pidfd:1,net,ipc"}, want: finding(net, ipc)},
		{name: "joined by path, network", in: joined(specs.NetworkNamespace, "/proc/1/ns/net"), want: finding(net)},
		{name: "joined by path, IPC", in: joined(specs.IPCNamespace, "/proc/1/ns/ipc"), want: finding(ipc)},
		{name: "joined by path, process ids", in: joined(specs.PIDNamespace, "/proc/1/ns/pid"), want: finding("UndeclaredHostPID")},
		{name: "executed by the runtime", in: privileged(), want: finding(net), happens: func(t *testing.T, s *scene) {
			t.Helper()
			s.Exec(t, s.main, func(process *specs.Process) { process.Args = []string{"/bin/act", toHostNet} })
		}},
		{name: "in the pause container", in: ordinaryPod(), pause: true, want: finding(ipc), happens: func(t *testing.T, s *scene) {
			t.Helper()
			s.JoinHost(s.t, s.pod.Sandbox.PID, "ipc")
		}},
		{name: "its shim hangs", hangs: true, in: privileged(), steps: []string{"thread", toHostNet}, alone: true, want: expectation{reasons: []string{net}, cause: "runtime"}, happens: func(_ *testing.T, s *scene) {
			s.Hang(s.t, s.main.Namespace, s.main.ID)
		}},
		{name: "frozen", in: privileged(), steps: []string{"thread", toHostNet}, want: finding(net), happens: pauseTask},
		{name: "with rights that its spec does not give", in: ordinary(), happens: func(t *testing.T, s *scene) {
			t.Helper()
			s.Exec(t, s.main, func(process *specs.Process) {
				process.Args = []string{"/bin/act"}
				process.Capabilities.Effective = append(slices.Clone(process.Capabilities.Effective), "CAP_SYS_ADMIN")
				process.Capabilities.Permitted = process.Capabilities.Effective
				process.Capabilities.Bounding = process.Capabilities.Effective
			})
		}, want: finding("UndeclaredCapabilities")},
	}
}

// netless is what is unknown of a container whose first thread is not in its network, while rules lead to addresses that
// nobody is seen to have.
func netless() []string { return []string{"unsettled"} }
