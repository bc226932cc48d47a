// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

// Inodes of the namespaces in these tests: the host's have one digit.
const (
	hostNet, hostPIDNS, hostIPCNS = nstest.HostNet, nstest.HostPID, nstest.HostIPC
	podNet, podPID, podIPC        = 101, 102, 103
)

// process is a process with one thread.
func process(pid int, net, pidns, ipc uint64) snapshot.Process {
	return snapshot.Process{PID: pid, Command: "sleep", Groups: []nsinspect.ThreadGroup{nstest.Group(1, net, pidns, ipc)}}
}

func isolated(pid int) snapshot.Process { return process(pid, podNet, podPID, podIPC) }

func container(name string, declared inventory.Declaration, processes ...snapshot.Process) snapshot.Container {
	return snapshot.Container{
		Container: inventory.Container{
			ID: name + "-id", RuntimeNamespace: "k8s.io", Name: name, SandboxID: "box",
			Pod:    &inventory.Pod{Namespace: "default", Name: "p", UID: "u"},
			Status: inventory.Running, Declared: declared,
		},
		Processes: processes,
	}
}

func pause(declared inventory.Declaration, processes ...snapshot.Process) snapshot.Container {
	c := container("", declared, processes...)
	c.ID, c.Sandbox, c.PID = "box", true, processes[0].PID
	return c
}

func byPod(kinds ...nsinspect.Kind) inventory.Declaration {
	return inventory.Declaration{By: inventory.ByPod, Host: kinds}
}

func snapshotOf(containers ...snapshot.Container) *snapshot.Snapshot {
	return &snapshot.Snapshot{Node: "n", Host: nstest.Host(), Containers: containers}
}

// lines puts findings into lines: container, reason, declarer, and the evidence.
func lines(findings []Finding) []string {
	var all []string
	for _, f := range findings {
		evidence := f.Evidence.(*NamespaceEvidence)
		line := fmt.Sprintf("%s %s %s %s:%d", f.Container.ID, f.Reason(), f.DeclaredBy, evidence.Kind, evidence.Namespace.Ino)
		for _, p := range evidence.Processes {
			line += fmt.Sprintf(" %d/%d%v", p.PID, p.Threads, p.TIDs)
		}
		if evidence.MoreProcesses > 0 {
			line += fmt.Sprintf(" +%d", evidence.MoreProcesses)
		}
		if evidence.JoinedPath != "" {
			line += " by " + evidence.JoinedPath
		}
		all = append(all, line)
	}
	return all
}

func TestJudge(t *testing.T) {
	t.Parallel()
	many := make([]snapshot.Process, 11)
	for i := range many {
		many[i] = process(i+10, hostNet, podPID, podIPC)
	}
	joined := inventory.Declaration{By: inventory.BySpec, Joined: map[nsinspect.Kind]string{nsinspect.Net: "/proc/1/ns/net"}}
	tests := map[string]struct {
		containers []snapshot.Container
		want       []string
	}{
		"normal pod": {
			containers: []snapshot.Container{pause(byPod(), isolated(10)), container("main", byPod(), isolated(11))},
		},
		"shareProcessNamespace: the pause container's pid namespace is the pod's": {
			containers: []snapshot.Container{pause(byPod(), isolated(10)), container("a", byPod(), isolated(11)), container("b", byPod(), isolated(12))},
		},
		"pod with the host's network": {
			containers: []snapshot.Container{
				pause(byPod(nsinspect.Net), process(10, hostNet, podPID, podIPC)),
				container("main", byPod(nsinspect.Net), process(11, hostNet, 112, podIPC)),
			},
			want: []string{"main-id HostNetworkShared pod net:1 11/1[]"},
		},
		"pod with the host's pid and ipc namespaces": {
			containers: []snapshot.Container{
				pause(byPod(nsinspect.PID, nsinspect.IPC), process(10, podNet, hostPIDNS, hostIPCNS)),
				container("main", byPod(nsinspect.PID, nsinspect.IPC), process(11, podNet, hostPIDNS, hostIPCNS)),
			},
			want: []string{"main-id HostPIDShared pod pid:2 11/1[]", "main-id HostIPCShared pod ipc:3 11/1[]"},
		},
		"a process that nsenter moved": {
			containers: []snapshot.Container{
				pause(byPod(), isolated(10)),
				container("main", byPod(), isolated(11), process(12, hostNet, podPID, podIPC)),
			},
			want: []string{"main-id UndeclaredHostNetwork nobody net:1 12/1[]"},
		},
		"declared network does not excuse another kind": {
			containers: []snapshot.Container{container("main", byPod(nsinspect.Net), process(11, hostNet, hostPIDNS, podIPC))},
			want: []string{
				"main-id HostNetworkShared pod net:1 11/1[]",
				"main-id UndeclaredHostPID nobody pid:2 11/1[]",
			},
		},
		"one stray thread": {
			containers: []snapshot.Container{container("main", byPod(), snapshot.Process{
				PID: 11, Groups: []nsinspect.ThreadGroup{
					nstest.Group(59, podNet, podPID, podIPC, 11, 12), nstest.Group(1, hostNet, podPID, podIPC, 40),
				},
			})},
			want: []string{"main-id UndeclaredHostNetwork nobody net:1 11/1[40]"},
		},
		"an intruder in the pause container alone": {
			containers: []snapshot.Container{
				pause(byPod(), isolated(10), process(13, hostNet, podPID, podIPC)),
				container("main", byPod(), isolated(11)),
			},
			want: []string{"box UndeclaredHostNetwork nobody net:1 13/1[]"},
		},
		"a sandbox in the host's network unasked is said once, by its container": {
			containers: []snapshot.Container{
				pause(byPod(), process(10, hostNet, podPID, podIPC)),
				container("main", byPod(), process(11, hostNet, podPID, podIPC)),
			},
			want: []string{"main-id UndeclaredHostNetwork nobody net:1 11/1[]"},
		},
		"an intruder in the pause container beside one in its pod": {
			containers: []snapshot.Container{
				pause(byPod(), isolated(10), process(13, hostNet, podPID, podIPC)),
				container("main", byPod(), isolated(11), process(14, hostNet, podPID, podIPC)),
			},
			want: []string{
				"box UndeclaredHostNetwork nobody net:1 13/1[]",
				"main-id UndeclaredHostNetwork nobody net:1 14/1[]",
			},
		},
		"a pod of which only the pause container runs": {
			containers: []snapshot.Container{pause(byPod(nsinspect.Net), process(10, hostNet, podPID, podIPC))},
			want:       []string{"box HostNetworkShared pod net:1 10/1[]"},
		},
		"declared, not in effect": {
			containers: []snapshot.Container{
				pause(byPod(nsinspect.Net), isolated(10)),
				container("main", byPod(nsinspect.Net), isolated(11)),
			},
			want: []string{"main-id HostNetworkNotInEffect pod net:101 11/1[]"},
		},
		"declared, but not everything was seen: no verdict on its absence": {
			containers: []snapshot.Container{func() snapshot.Container {
				c := container("main", byPod(nsinspect.Net), isolated(11))
				c.Unread.Gaps = []snapshot.Gap{{Cause: snapshot.CauseDenied, Detail: "thread 12 could not be read"}}
				return c
			}()},
		},
		"declared, but there is no process to look at": {
			containers: []snapshot.Container{container("main", byPod(nsinspect.Net))},
		},
		"same inode on another device is another namespace": {
			containers: []snapshot.Container{container("main", byPod(), func() snapshot.Process {
				p := isolated(11)
				p.Groups[0].Namespaces.Set(nsinspect.Net, nsinspect.ID{Dev: 5, Ino: hostNet})
				return p
			}())},
		},
		"container without a pod whose spec leaves the network out": {
			containers: []snapshot.Container{container("web", inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net}}, process(11, hostNet, podPID, podIPC))},
			want:       []string{"web-id HostNetworkShared spec net:1 11/1[]"},
		},
		"a namespace joined by path was not declared": {
			containers: []snapshot.Container{container("web", joined, process(11, hostNet, podPID, podIPC))},
			want:       []string{"web-id UndeclaredHostNetwork nobody net:1 11/1[] by /proc/1/ns/net"},
		},
		"what was declared is unknown": {
			containers: []snapshot.Container{container("web", inventory.Declaration{By: inventory.ByUnknown}, process(11, hostNet, podPID, podIPC))},
			want:       []string{"web-id UndeclaredHostNetwork unknown net:1 11/1[]"},
		},
		"evidence is capped and counts the rest": {
			containers: []snapshot.Container{container("main", byPod(), many...)},
			want:       []string{"main-id UndeclaredHostNetwork nobody net:1 10/1[] 11/1[] 12/1[] 13/1[] 14/1[] 15/1[] 16/1[] 17/1[] +3"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := snapshotOf(test.containers...)
			result := Judge(s)
			if diff := cmp.Diff(test.want, lines(result.Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			for _, u := range result.Unknown {
				if u.Container == nil {
					t.Errorf("unexpected gap: %s", u.Detail)
				}
			}
		})
	}
}

func TestJudgeWithoutHost(t *testing.T) {
	t.Parallel()
	s := snapshotOf(container("main", byPod(nsinspect.Net), process(11, hostNet, podPID, podIPC)))
	s.Host = nsinspect.HostReference{Reference: nsinspect.ByNone}
	result := Judge(s)
	if len(result.Findings) != 0 {
		t.Errorf("findings without a host reference: %v", lines(result.Findings))
	}
	if len(result.Unknown) != 3 {
		t.Errorf("want one unknown a check, got %v", result.Unknown)
	}
}

func TestJudgeReportsGaps(t *testing.T) {
	t.Parallel()
	broken := container("b", byPod(), isolated(11))
	broken.Unread.Gaps = []snapshot.Gap{{Cause: snapshot.CauseRuntime, Detail: "its shim does not answer"}}
	s := snapshotOf(container("a", byPod(), isolated(10)), broken)
	s.Coverage.Gaps = []snapshot.Gap{{Cause: snapshot.CauseRead, Detail: "a gap"}}
	s.Inventory.Problems = []string{"a problem"}
	got := Judge(s).Unknown
	want := []Unknown{
		{nil, snapshot.Gap{Cause: snapshot.CauseRead, Detail: "a gap"}},
		{nil, snapshot.Gap{Cause: snapshot.CauseRuntime, Detail: "a problem"}},
		{&s.Containers[1], snapshot.Gap{Cause: snapshot.CauseRuntime, Detail: "its shim does not answer"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unknown (-want +got):\n%s", diff)
	}
}

func TestFindingsAreInAStableOrder(t *testing.T) {
	t.Parallel()
	named := func(namespace, pod, name string) snapshot.Container {
		c := container(name, byPod(nsinspect.Net), process(11, hostNet, podPID, podIPC))
		c.Pod = &inventory.Pod{Namespace: namespace, Name: pod}
		return c
	}
	outside := container("z", inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net}}, process(11, hostNet, podPID, podIPC))
	outside.Pod = nil
	s := snapshotOf(outside, named("b", "x", "one"), named("a", "y", "two"), named("a", "x", "three"), named("a", "x", "four"))
	var got []string
	for _, f := range Judge(s).Findings {
		got = append(got, f.Container.Name)
	}
	if diff := cmp.Diff([]string{"four", "three", "two", "one", "z"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// FuzzDecode feeds hostile snapshots: a file may come from anywhere.
func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	if err := snapshot.Encode(&b, snapshotOf(container("main", byPod(nsinspect.Net), isolated(11)))); err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Clone(b.Bytes()))
	f.Add([]byte(`{"apiVersion":"nsaudit.io/v1alpha1","kind":"Snapshot","containers":[{"declared":{"host":["net"]},"processes":[{"pid":1}]}]}`))
	pod := pause(byPod(), isolated(10))
	pod.Security = &inventory.Security{Spec: told(65535)}
	drifted := secured(pod, boxed(told(405), of(0), bounded(405, everyCapability)), mappedTo(65536, boxed(told(0), of(65536))))
	drifted.Containers[1].Mounts.Host = []nsinspect.Mount{{Root: "/", Point: "/mnt"}}
	drifted.HostSecurity.Module = nsinspect.AppArmor
	b.Reset()
	if err := snapshot.Encode(&b, drifted); err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Clone(b.Bytes()))
	every, err := ParseSelection([]string{"all"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := snapshot.Decode(bytes.NewReader(text))
		if err != nil {
			return
		}
		var tracker Tracker
		result := tracker.Next(every.Judge(s))
		checkResult(t, result)
		if again := tracker.Next(every.Judge(s)); len(again.Began)+len(again.Ended) > 0 {
			t.Errorf("the same snapshot again: %v began, %v ended", reasonsOf(again.Began), reasonsOf(again.Ended))
		}
	})
}

// checkResult checks what holds of each result: findings are of the kinds that there are, evidence
// is capped, and what is posture is apart from the rest.
func checkResult(t *testing.T, result *Result) {
	t.Helper()
	for posture, findings := range map[bool][]Finding{false: result.Findings, true: result.Posture} {
		for i := range findings {
			finding := &findings[i]
			check := checkNamed(finding.Check)
			if !slices.Contains(check.Verdicts(), finding.Verdict) || check.Posture(finding.Verdict) != posture {
				t.Errorf("%s is no finding of %s, posture %t", finding.Reason(), finding.Check, posture)
			}
			evidence, ok := finding.Evidence.(*SecurityEvidence)
			if !ok {
				continue
			}
			if len(evidence.Processes) > maxEvidence || len(evidence.Actual) > maxWords || len(evidence.Declared) > maxWords {
				t.Errorf("%s: evidence beyond the caps: %+v", finding.Reason(), evidence)
			}
			for _, word := range slices.Concat(evidence.Actual, evidence.Declared) {
				if len(word) > maxWord+len("…") {
					t.Errorf("%s: a word of %d bytes", finding.Reason(), len(word))
				}
			}
		}
	}
}
