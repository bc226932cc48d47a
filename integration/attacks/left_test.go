// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import "github.com/nsaudit/nsaudit/integration/internal/runtimetest"

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
		{name: "leaves for the root", pending: true, in: privileged(), steps: child("leave:/", toHostNet), want: finding(net)},
		{name: "leaves for the root, by the host's mounts", pending: true, in: withHostCgroups(), steps: child("leave:/", toHostNet), want: finding(net)},
		{name: "leaves for the root, in a pod", pending: true, in: leaverPod(), steps: child("leave:/", toHostNet), want: finding(net)},
		{
			name: "leaves for the root, and shares the host's IPC", pending: true, in: privileged(), want: finding("UndeclaredHostIPC"),
			steps: child("leave:/", "setns:/host/proc/1/ns/ipc"),
		},
		{name: "leaves for another container", pending: true, blamed: "victim", in: privileged(), steps: child("leave:{victim}", toHostNet), want: finding(net)},
		{name: "leaves for another pod's container", pending: true, blamed: "victim", in: leaverPod(), steps: child("leave:{victim}", toHostNet), want: finding(net)},
		{name: "leaves for a system service", pending: true, in: privileged(), steps: child("leave:{root}/system.slice/ssh.service", toHostNet), want: finding(net)},
		{name: "leaves for a cgroup like Docker's", pending: true, blamed: "4f5b1c1e8a6d4e0f9b7c3a2d1e0f4f5b1c1e8a6d4e0f9b7c3a2d1e0f00112233", in: privileged(), steps: child("leave:{root}"+dockerLike, toHostNet), want: finding(net)},
		{name: "leaves for a cgroup like a pod's", pending: true, blamed: "4f5b1c1e8a6d4e0f9b7c3a2d1e0f4f5b1c1e8a6d4e0f9b7c3a2d1e0f44556677", in: privileged(), steps: child("leave:{root}"+podLike, toHostNet), want: finding(net)},
		{name: "leaves in all hierarchies but systemd's", in: privileged(), steps: child("leave-but:name=systemd,/", toHostNet), want: finding(net)},
		{name: "leaves systemd's hierarchy only", in: privileged(), steps: child("leave-only:name=systemd,/", toHostNet), want: finding(net)},
		{
			name: "leaves, and its parent ends", pending: true, in: privileged(), want: finding(net),
			steps: child("leave:/", toHostNet, "fork", ";", "told", "exit"),
		},
		{
			name: "leaves with the host's mounts", pending: true, in: privileged(), steps: child("leave:/", toHostNet, "unshare:fs", "setns:/host/proc/1/ns/mnt"),
			want: finding(net, "UndeclaredHostMount", "UndeclaredHostRoot"),
		},
		{
			name: "leaves below a PID namespace of its own", pending: true, in: privileged(), want: finding(net),
			steps: child("leave:/", toHostNet, "born:pid"),
		},
		{name: "one thread leaves", in: privileged(), steps: []string{"thread", "leave-thread:/", toHostNet}, want: finding(net)},
		{
			name: "leaves from a pod in the host's PID namespace", pending: true, want: finding(net), steps: child("leave:/", toHostNet),
			in: box{pod: &runtimetest.PodSpec{HostPID: true}, security: runtimetest.Privileged(), hostProc: true},
		},
		{
			name: "leaves, and is in the host's network at times", pending: true, in: privileged(), want: sighting(net),
			steps: child(append([]string{"leave:/"}, flap("net", 190, 210)...)...),
		},
		{name: "hidden by an empty mount", pending: true, in: privileged(), want: unknown("changed"), steps: child(toHostNet, "unshare:fs", "hide:tmpfs")},
		{name: "hidden by the mount of another process", pending: true, in: privileged(), want: unknown("changed"), steps: child(toHostNet, "unshare:fs", "hide:1")},
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
	}
}

func withHostCgroups() box {
	b := privileged()
	b.hostSys = true
	return b
}

// leaverPod is a privileged pod that sees all cgroups.
func leaverPod() box { return privilegedPod() }
