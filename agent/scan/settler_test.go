// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TestManySuspects has a container of which hundreds of processes are weaker. It does not take the
// second look from another, and only what was looked at twice counts.
func TestManySuspects(t *testing.T) {
	t.Parallel()
	const many = 100
	b := newBox(t, many, 1)
	root, other := scantest.User(uid), scantest.User(uid+1)
	root.UIDs = nsinspect.IDs{}
	for k := range many {
		scantest.Become(t, b.fs, initOf(0)+16*k, root)
	}
	scantest.Become(t, b.fs, initOf(1), root)
	check := func(of string, want []string) {
		t.Helper()
		snap := b.scan(t, Lean, nil)
		if got := weaker(&snap.Containers[0]); len(got) != maxSuspectsOfOne {
			t.Errorf("%s: %d processes are confirmed, want %d", of, len(got), maxSuspectsOfOne)
		}
		if got := weaker(&snap.Containers[1]); len(got) != 1 {
			t.Errorf("%s: of the other container %q", of, got)
		}
		if diff := cmp.Diff(want, security(&snap.Containers[0])); diff != "" {
			t.Errorf("%s: unread (-want +got):\n%s", of, diff)
		}
	}
	check("all in the same way", nil)
	scantest.Become(t, b.fs, initOf(0)+16*(many-1), other)
	b.link(t, initOf(0)+16*(many-1), "ns/user", 1) // In another user namespace it may be any user.
	check("one in another way", []string{"limit: more of its processes are weaker than the runtime was told than are looked at twice"})
}

// TestHandlesOfOneContainer has suspects of containers, of which one has more than all may have.
func TestHandlesOfOneContainer(t *testing.T) {
	t.Parallel()
	const spare = spareSuspects
	for name, test := range map[string]struct {
		own, all, spare int
		want            bool
	}{
		"a container with many":                        {maxSuspectsOfOne, maxSuspectsOfOne, 0, false},
		"a container with many, and one of the host's": {maxSuspectsOfOne, maxSuspectsOfOne, spare, true},
		"a container with too many of the host's":      {maxSuspectsOfOne + spare, maxSuspectsOfOne + spare, spare, false},
		"another":                                         {0, maxSuspectsOfOne, 0, true},
		"another, beside many containers":                 {0, maxSuspects, 0, true},
		"more of another, beside many containers":         {fewSuspects, maxSuspects, 0, false},
		"more, and one of the host's":                     {fewSuspects, maxSuspects, spare, true},
		"more, beside many containers with the host's":    {fewSuspects, maxSuspects + spare, spare, false},
		"another, beside many containers with the host's": {0, maxSuspects + spare, spare, true},
	} {
		container := new(snapshot.Container)
		s := &settler{kept: map[*snapshot.Container]int{container: test.own}}
		if got := s.hasRoom(container, test.all, test.spare); got != test.want {
			t.Errorf("%s: there is room: %t", name, got)
		}
	}
}

// TestSpareSuspects has a container with more weak processes than are looked at twice, and one after
// them that is in the host's pid namespace for a moment, as a runtime's is on its way in.
func TestSpareSuspects(t *testing.T) {
	t.Parallel()
	const many = maxSuspectsOfOne + 1
	b := newBox(t, many+1)
	pid := initOf(0) + 16*many
	root := scantest.User(uid)
	root.UIDs = nsinspect.IDs{}
	for k := range many {
		scantest.Become(t, b.fs, initOf(0)+16*k, root)
	}
	b.addRuntime(t)
	scantest.Run(t, b.fs, pid, runtimePID, 0, "runc", b.program("runc"))
	own := b.link(t, pid, "ns/pid", 1)
	snap := b.scan(t, Lean, func() { b.relink(t, pid, "ns/pid", own) })
	if snap.Coverage.Transient != 1 || len(weaker(&snap.Containers[0])) != maxSuspectsOfOne {
		t.Errorf("%d transient, and weaker: %q", snap.Coverage.Transient, weaker(&snap.Containers[0]))
	}
	for _, finding := range audit.Judge(snap).Findings {
		if finding.Check == audit.HostPID {
			t.Errorf("finding %+v", finding)
		}
	}
}

// TestEndedBetweenReads has a process that has credentials still and no namespaces any more, as one
// that ends after the former were read.
func TestEndedBetweenReads(t *testing.T) {
	t.Parallel()
	root := scantest.User(uid)
	root.UIDs = nsinspect.IDs{}
	for name, second := range map[string]bool{"at the first look": false, "at the second look": true} {
		for of, depth := range map[string]Depth{"lean": Lean, "full": Full} {
			t.Run(name+", "+of, func(t *testing.T) {
				t.Parallel()
				b, pid := newBox(t, 2), initOf(0)
				scantest.Become(t, b.fs, pid, root)
				again := func() { b.remove(t, pid, "ns/net") }
				if !second {
					again()
				}
				snap := b.scan(t, depth, again)
				if c := &snap.Containers[0]; len(c.Processes) != 1 || len(c.Credentials) != 1 || weaker(c) != nil {
					t.Errorf("container %+v", c)
				}
				if vanished := 1 - snap.Coverage.Transient; snap.Coverage.Vanished != vanished || second == (vanished == 1) {
					t.Errorf("coverage %+v", snap.Coverage)
				}
			})
		}
	}
}

// TestCgroupNamespaceInPassing has a process in the host's cgroup namespace, which stays there, is the
// runtime's and has left it at the second look, or is where its container was told to be.
func TestCgroupNamespaceInPassing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		leaves, told        bool
		findings, transient int
	}{
		"it stays": {findings: 1}, "it leaves": {leaves: true, transient: 1}, "it was told to be there": {told: true},
	} {
		for of, depth := range map[string]Depth{"lean": Lean, "full": Full} {
			t.Run(name+", "+of, func(t *testing.T) {
				t.Parallel()
				b, pid := newBox(t, 1), initOf(0)
				if !test.told {
					b.containers[0].Security.Spec.Host = []nsinspect.Kind{nsinspect.User}
				}
				b.link(t, pid, "ns/user", 1)
				b.addRuntime(t)
				parent := runtimePID
				if !test.leaves {
					parent = shimPID
				}
				scantest.Run(t, b.fs, pid, parent, 0, "runc", b.program("runc"))
				own := b.link(t, pid, "ns/cgroup", 1)
				snap := b.scan(t, depth, func() {
					if test.leaves {
						b.relink(t, pid, "ns/cgroup", own)
					}
				})
				findings := 0
				for _, finding := range audit.Judge(snap).Findings {
					if finding.Check == audit.HostCgroup {
						findings++
					}
				}
				if findings != test.findings || snap.Coverage.Transient != test.transient {
					t.Errorf("%d findings, want %d; %d transient, want %d", findings, test.findings, snap.Coverage.Transient, test.transient)
				}
			})
		}
	}
}

// TestEndingInTheHost has a thread that is ending in namespaces of the host: its program is gone first.
func TestEndingInTheHost(t *testing.T) {
	t.Parallel()
	b := newBox(t, 1)
	b.link(t, initOf(0), "ns/pid", 1)
	b.link(t, initOf(0), "ns/net", 1)
	process, err := b.fs.Open(initOf(0))
	scantest.Must(t, err)
	defer process.Close()
	n := &node{fs: b.fs, ref: hostOf(t, b)}
	for _, want := range [][]nsinspect.Kind{{nsinspect.PID, nsinspect.Net}, nil} {
		threads := maxGlance
		if got := n.hosted(t.Context(), process, []nsinspect.Kind{nsinspect.PID, nsinspect.Net}, &threads); !slices.Equal(got, want) {
			t.Errorf("in the host's %v, want %v", got, want)
		}
		b.remove(t, initOf(0), fmt.Sprintf("task/%d/exe", initOf(0)))
	}
}

// hostOf is the host reference of a box.
func hostOf(t *testing.T, b *box) nsinspect.HostReference {
	t.Helper()
	host, err := b.fs.Host(nil, pid1()...)
	scantest.Must(t, err)
	defer host.Close()
	return host.Ref()
}
