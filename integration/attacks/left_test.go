// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"os/exec"
	"strconv"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// Names as containers of others have.
const (
	dockerLike = "/docker/4f5b1c1e8a6d4e0f9b7c3a2d1e0f4f5b1c1e8a6d4e0f9b7c3a2d1e0f00112233"
	podLike    = "/kubepods/burstable/podc9a7f1de-3b1a-4c1e-9a57-0d5ff0a1b2c3/4f5b1c1e8a6d4e0f9b7c3a2d1e0f4f5b1c1e8a6d4e0f9b7c3a2d1e0f44556677"
)

// leftAttacks are not where the auditor looks for the container's processes.
func leftAttacks() []scenario {
	const net = "UndeclaredHostNetwork"
	child := func(steps ...string) []string { return append([]string{"fork"}, steps...) }
	return []scenario{
		{name: "leaves for the root", in: privileged(), steps: child("leave:/", toHostNet), want: finding(net)},
		{name: "leaves for the root, by the host's mounts", in: withHostCgroups(), steps: child("leave:/", toHostNet), want: finding(net)},
		{name: "leaves for the root, in a pod", in: leaverPod(), steps: child("leave:/", toHostNet), want: finding(net)},
		{
			name: "leaves for the root, and shares the host's IPC", in: privileged(), want: finding("UndeclaredHostIPC"),
			steps: child("leave:/", "setns:/host/proc/1/ns/ipc"),
		},
		{name: "leaves for another container", in: privileged(), steps: child("leave:{victim}", toHostNet), want: finding(net)},
		{name: "leaves for another pod's container", in: leaverPod(), steps: child("leave:{victim}", toHostNet), want: finding(net)},
		{name: "leaves for a system service", in: privileged(), steps: child("leave:{root}/system.slice/ssh.service", toHostNet), want: finding(net)},
		{name: "leaves for a cgroup like Docker's", in: privileged(), steps: child("leave:{root}"+dockerLike, toHostNet), want: finding(net)},
		{name: "leaves for a cgroup like a pod's", in: privileged(), steps: child("leave:{root}"+podLike, toHostNet), want: finding(net)},
		{name: "leaves in all hierarchies but systemd's", in: privileged(), steps: child("leave-but:name=systemd,/", toHostNet), want: finding(net)},
		{name: "leaves systemd's hierarchy only", in: privileged(), steps: child("leave-only:name=systemd,/", toHostNet), want: finding(net)},
		{
			name: "leaves, and its parent ends", in: privileged(), want: finding(net),
			steps: child("leave:/", toHostNet, "fork", ";;", "told", "exit"),
		},
		{
			name: "leaves with the host's mounts", in: privileged(), steps: child("leave:/", toHostNet, "unshare:fs", "setns:/host/proc/1/ns/mnt"),
			want: finding(net, "UndeclaredHostMount"),
		},
		{
			name: "leaves below a PID namespace of its own", in: privileged(), want: finding(net),
			steps: child("leave:/", toHostNet, "born:pid"),
		},
		{name: "its first process leaves", also: netless(), in: privileged(), steps: []string{"leave:/", toHostNet}, want: finding(net)},
		{name: "its first process leaves, in a pod", in: leaverPod(), steps: []string{"leave:/", toHostNet}, want: finding(net)},
		{name: "host PID, its first process leaves", in: hostPIDPod(), steps: []string{"leave:/", toHostNet}, want: finding(net)},
		{name: "its first process leaves for another container", also: netless(), in: privileged(), steps: []string{"leave:{victim}", toHostNet}, want: finding(net)},
		{
			name: "a program that was started in it later leaves", in: privileged(), steps: []string{"told"}, want: finding(net),
			happens: startedLater("/bin/act", "leave:/", toHostNet),
		},
		{
			name: "host PID, leaves, and its parent ends", in: hostPIDPod(), want: finding(net),
			steps: child("leave:/", toHostNet, "fork", ";;", "told", "exit"),
		},
		{name: "host PID, leaves for another container", in: hostPIDPod(), steps: child("leave:{victim}", toHostNet), want: finding(net)},
		{
			name: "host PID, leaves with the host's mounts", in: hostPIDPod(), want: finding(net, "UndeclaredHostMount"),
			steps: child("leave:/", toHostNet, "unshare:fs", "setns:/host/proc/1/ns/mnt"),
		},
		{name: "one thread leaves", in: privileged(), steps: []string{"thread", "leave-thread:/", toHostNet}, want: finding(net)},
		{
			name: "leaves from a pod in the host's PID namespace", want: finding(net), steps: child("leave:/", toHostNet),
			in: hostPIDPod(),
		},
		{
			name: "leaves, and is in the host's network at times", pending: true, in: privileged(), want: sighting(net),
			steps: child(append([]string{"leave:/"}, flap("net", 190, 210)...)...),
		},
		{name: "hidden by an empty mount", in: privileged(), want: finding(net, "UndeclaredHostMount"), steps: child(toHostNet, "unshare:fs", "hide:tmpfs")},
		{name: "hidden by the mount of another process", in: privileged(), want: finding(net, "UndeclaredHostMount"), steps: child(toHostNet, "unshare:fs", "hide:1")},
	}
}

// leftInnocents are in cgroups that the runtime did not make.
func leftInnocents() []scenario {
	return []scenario{
		{name: "systemd in a container", in: privileged(), steps: []string{"fork", "sub-cgroup:init.scope", ";", "fork:3", "sub-cgroup:system.slice"}},
		{
			name: "a container in a container", in: privileged(),
			steps: []string{"fork", "sub-cgroup:docker", "born:pid,net,ipc,uts,mnt"},
		},
		{name: "an admin enters", in: ordinary(), steps: []string{"told"}, happens: enteredByAdmin},
		{name: "an admin enters, host PID", in: box{pod: &runtimetest.PodSpec{HostPID: true}}, steps: []string{"told"}, happens: enteredByAdmin},
		{name: "an admin starts a program there", in: ordinary(), steps: []string{"told"}, happens: startedLater("/bin/sleep")},
	}
}

// startedLater starts a program in the container, as `kubectl exec` does.
func startedLater(command ...string) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		t.Helper()
		s.Exec(t, s.main, func(process *specs.Process) { process.Args = command })
	}
}

// enteredByAdmin has programs of the node enter namespaces of the container, as people do who look for a fault. They stay
// in the node's cgroups.
func enteredByAdmin(t *testing.T, s *scene) {
	t.Helper()
	for _, kinds := range [][]string{{"--pid"}, {"--mount"}, {"--net"}, {"--pid", "--mount"}, {"--all"}} {
		cmd := exec.Command("nsenter", append(append([]string{"--target", strconv.Itoa(s.main.PID)}, kinds...), "/bin/sleep", "1000")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s.t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
	}
}

func withHostCgroups() box {
	b := privileged()
	b.hostSys = true
	return b
}

// leaverPod is a privileged pod that sees all cgroups.
func leaverPod() box { return privilegedPod() }

// hostPIDPod is a privileged pod in the host's PID namespace, as it declares.
func hostPIDPod() box {
	return box{pod: &runtimetest.PodSpec{HostPID: true}, security: runtimetest.Privileged(), hostProc: true}
}
