// SPDX-License-Identifier: Apache-2.0

// Package reporttest has what the tests of reports have in common: a snapshot with one of
// everything, and golden files.
package reporttest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// Snapshot has one of everything: pods of the chapter, an intruder with a hostile
// name, a stray thread, a container without a pod, one of an unknown runtime, gaps.
func Snapshot() *snapshot.Snapshot {
	process := func(pid int, command string, groups ...nsinspect.ThreadGroup) snapshot.Process {
		return snapshot.Process{PID: pid, Command: command, Groups: groups}
	}
	pod := func(name, letter string, host []nsinspect.Kind, processes ...snapshot.Process) snapshot.Container {
		return snapshot.Container{
			Container: inventory.Container{
				ID: strings.Repeat(letter, 64), RuntimeName: runtimes.Containerd, RuntimeNamespace: "k8s.io", Runtime: "io.containerd.runc.v2",
				Name: "main", Image: "docker.io/library/alpine:latest", SandboxID: "box-" + letter,
				Pod:    &inventory.Pod{Namespace: "default", Name: name, UID: "uid-" + letter},
				Status: inventory.Running, PID: processes[0].PID,
				Declared: inventory.Declaration{By: inventory.ByPod, Host: host},
			},
			Processes: processes,
		}
	}
	s := &snapshot.Snapshot{
		Node: "node-1", Time: time.Date(2026, 11, 23, 20, 45, 0, 0, time.UTC), Duration: 35 * time.Millisecond,
		Host:      nstest.Host(),
		Inventory: inventory.Inventory{Source: inventory.FromContainerd, Address: "/run/containerd/containerd.sock", Version: "v2.4.2"},
		Coverage:  snapshot.Coverage{Processes: 312, Threads: 70, Vanished: 2, Denied: 1, Transient: 1, Gaps: []snapshot.Gap{{Cause: snapshot.CauseRead, Detail: "process 77: something broke"}}},
	}
	outside := pod("", "d", nil, process(41, "sh", nstest.Group(1, 1, 102, 103)))
	outside.RuntimeNamespace, outside.ID, outside.Name, outside.Pod = "default", "web-1", "", nil
	outside.Declared = inventory.Declaration{By: inventory.BySpec, Joined: map[nsinspect.Kind]string{nsinspect.Net: "/proc/1/ns/net"}}
	foreign := snapshot.Container{
		Container: inventory.FromCgroup(runtimes.Ref{ID: strings.Repeat("e", 64), Runtime: "podman"}, "containerd does not know this container"),
		Processes: []snapshot.Process{process(51, "nginx", nstest.Group(4, 1, 2, 3))},
	}
	hung := pod("slow", "f", nil, process(61, "", nstest.Group(1, 201, 202, 203)))
	hung.Unread.Gaps = []snapshot.Gap{{Cause: snapshot.CauseRuntime, Detail: "its shim does not answer containerd, so its task is not known"}}
	forwarded := pod("kubia-hostport", "1", nil, process(81, "", nstest.Sharing()))
	forwarded.Declared.Ports = []inventory.Port{{Protocol: socket.TCP, HostPort: 9000, ContainerPort: 8080}, {Protocol: socket.TCP, HostPort: 22}, {Protocol: socket.UDP, HostPort: 53}}
	forwarded.Forwards = []snapshot.Forward{
		{Forward: nstest.Forward(9000)},
		{Forward: nstest.Forward(22), Shadows: []snapshot.Socket{{Socket: nstest.Listener(22), Holders: []snapshot.Holder{{PID: 812, Command: "sshd"}}}}},
	}
	listening := pod("listening", "2", nil, process(82, "", nstest.Sharing()))
	listening.Sockets = []snapshot.Socket{{Socket: nstest.Listener(8081), Holders: []snapshot.Holder{{PID: 82, Command: "a\nb\x1b[31m"}}}}
	s.Ports = &snapshot.PortCoverage{
		Sockets: 12, Forwards: 2, Rules: 31, Ways: map[socket.Protocol]socket.Source{socket.TCP: socket.SockDiag},
		Absent: []socket.Protocol{socket.SCTP},
	}
	normal := pod("normal", "c", nil,
		process(31, "", nstest.Group(1, 101, 102, 103)),
		process(32, "a\nb\x1b[31m", nstest.Group(59, 101, 102, 103, 32, 33), nstest.Group(1, 1, 102, 103, 40)))
	normal.Sightings = []snapshot.Sighting{{
		Kind: nsinspect.IPC, First: s.Time.Add(-10 * time.Minute), Last: s.Time, Count: 3,
		Visitors: []snapshot.Visitor{{PID: 33, Command: "ns\x1benter", Executable: "/bin/\x1bnsenter"}}, More: 1,
	}}
	s.Containers = []snapshot.Container{
		pod("pod-with-host-network", "a", []nsinspect.Kind{nsinspect.Net}, process(11, "sleep", nstest.Group(1, 1, 102, 103))),
		pod("pod-with-host-pid-and-ipc", "b", []nsinspect.Kind{nsinspect.PID, nsinspect.IPC}, process(21, "sleep", nstest.Group(1, 101, 2, 3))),
		normal, outside, foreign, hung, forwarded, listening,
		pod("mistaken", "9", []nsinspect.Kind{nsinspect.Net}, process(71, "", nstest.Group(1, 301, 302, 303))),
	}
	return s
}

// Ruled judges a snapshot such as that one under a policy: a rule expects what two pods declare,
// a second one what a third pod does, a third one gives a severity, and a fourth has no use.
func Ruled(snap *snapshot.Snapshot) *audit.Result {
	result := audit.Judge(snap)
	agents := audit.Ruling{Rule: "node-agents", Reason: "They watch the node.", Expected: true}
	ingress := audit.Ruling{Rule: "ingress", Reason: "A rule's reason\x1b[31m is cleaned too.", Expected: true}
	strict := audit.Ruling{Rule: "strict", Reason: "What asks for the host's network must have it."}
	result.Rules = []audit.RuleUse{{Rule: "node-agents"}, {Rule: "ingress"}, {Rule: "strict"}, {Rule: "unused"}}
	for i := range result.Findings {
		finding := &result.Findings[i]
		pod := finding.Container.Pod
		switch {
		case pod == nil:
		case strings.HasPrefix(pod.Name, "pod-with-host-"):
			finding.Ruling = &agents
			result.Rules[0].Findings++
		case finding.Verdict == audit.Bound:
			finding.Ruling = &ingress
			result.Rules[1].Findings++
		case pod.Name == "mistaken":
			finding.Ruling, finding.Severity = &strict, audit.High
		}
	}
	return result
}

var update = flag.Bool("update", false, "write the golden files")

// Golden compares a text with a golden file, or writes it with -update.
func Golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run the test with -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), run with -update if it is right:\n%s", path, diff)
	}
}
