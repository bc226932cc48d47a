// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// seen is a container with processes of these pids, and with gaps of these causes.
func seen(id string, pids []int, causes ...Cause) Container {
	container := Container{Container: inventory.Container{ID: id, RuntimeName: runtimes.Containerd, RuntimeNamespace: "k8s.io"}}
	for _, pid := range pids {
		container.Processes = append(container.Processes, Process{PID: pid})
	}
	for _, cause := range causes {
		container.Unread.Gaps = append(container.Unread.Gaps, Gap{Cause: cause, Detail: "because"})
	}
	return container
}

// keyOf is the key of such a container.
func keyOf(id string) inventory.Key {
	return inventory.Key{RuntimeName: runtimes.Containerd, RuntimeNamespace: "k8s.io", ID: id}
}

func nodeWith(reference nsinspect.HostSource, containers ...Container) *Snapshot {
	return &Snapshot{Host: nsinspect.HostReference{Reference: reference}, Containers: containers}
}

// brief puts a snapshot into lines: each container, its pids, its gaps' causes.
func brief(snapshot *Snapshot) []string {
	var lines []string
	for _, container := range snapshot.Containers {
		var pids []int
		for _, process := range container.Processes {
			pids = append(pids, process.PID)
		}
		line := fmt.Sprintf("%s %v", container.ID, pids)
		for _, gap := range container.Unread.Gaps {
			line += " " + string(gap.Cause)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestMergeFull(t *testing.T) {
	t.Parallel()
	before := nodeWith(nsinspect.ByPID1, seen("a", []int{1}), seen("b", []int{2}))
	unfinished := func(containers ...Container) *Snapshot {
		snapshot := nodeWith(nsinspect.ByPID1, containers...)
		snapshot.Coverage.Gaps = []Gap{{Cause: CauseUnfinished, Detail: "too slow"}}
		return snapshot
	}
	tests := map[string]struct {
		before, now *Snapshot
		want        []string
	}{
		"the first scan":                     {nil, nodeWith(nsinspect.ByPID1, seen("a", []int{1})), []string{"a [1]"}},
		"gone is gone":                       {before, nodeWith(nsinspect.ByPID1, seen("b", []int{3})), []string{"b [3]"}},
		"denied is not gone":                 {before, nodeWith(nsinspect.ByPID1, seen("a", nil, CauseDenied)), []string{"a [1] denied"}},
		"what is seen in spite of it counts": {before, nodeWith(nsinspect.ByPID1, seen("a", []int{4}, CauseDenied)), []string{"a [4] denied"}},
		"a shim that hangs hides no process": {before, nodeWith(nsinspect.ByPID1, seen("a", nil, CauseRuntime)), []string{"a [] runtime"}},
		"a scan that ended early":            {before, unfinished(seen("a", []int{5})), []string{"a [5]", "b [2] unfinished"}},
		"no host reference":                  {before, nodeWith(nsinspect.ByNone, seen("c", []int{6})), []string{"a [1]", "b [2]"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, brief(MergeFull(test.before, test.now))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff([]string{"a [1]", "b [2]"}, brief(before)); diff != "" {
		t.Errorf("what was known before has changed:\n%s", diff)
	}
}

func TestMergeFullWithoutHostSaysSo(t *testing.T) {
	t.Parallel()
	now := nodeWith(nsinspect.ByNone)
	now.Coverage.Gaps = []Gap{{Cause: CauseHost, Detail: "no host reference"}}
	merged := MergeFull(nodeWith(nsinspect.ByPID1), now)
	if merged.Host.Reference != nsinspect.ByPID1 || len(merged.Coverage.Gaps) != 1 {
		t.Errorf("merged %+v", merged)
	}
}

func TestMergeTargeted(t *testing.T) {
	t.Parallel()
	byCgroup := seen("x", []int{9})
	byCgroup.RuntimeName, byCgroup.RuntimeNamespace = "", ""
	before := nodeWith(nsinspect.ByPID1, seen("a", []int{1}), seen("b", []int{2}), byCgroup)
	brokenWith := func(containers ...Container) *Snapshot {
		snapshot := nodeWith(nsinspect.ByPID1, containers...)
		snapshot.Coverage.Gaps = []Gap{{Cause: CauseRead, Detail: "process 1 could not be read"}}
		return snapshot
	}
	broken := brokenWith()
	tests := map[string]struct {
		now   *Snapshot
		asked []inventory.Key
		want  []string
	}{
		"a new one":    {nodeWith(nsinspect.ByPID1, seen("c", []int{3})), []inventory.Key{keyOf("c")}, []string{"a [1]", "b [2]", "x [9]", "c [3]"}},
		"one again":    {nodeWith(nsinspect.ByPID1, seen("a", []int{4})), []inventory.Key{keyOf("a")}, []string{"b [2]", "x [9]", "a [4]"}},
		"one is gone":  {nodeWith(nsinspect.ByPID1), []inventory.Key{keyOf("a")}, []string{"b [2]", "x [9]"}},
		"not all seen": {broken, []inventory.Key{keyOf("a")}, []string{"a [1] read", "b [2]", "x [9]"}},
		"seen, but not all of the node": {
			brokenWith(seen("a", []int{4})), []inventory.Key{keyOf("a")}, []string{"b [2]", "x [9]", "a [4] read"},
		},
		"known by its cgroup before": {
			nodeWith(nsinspect.ByPID1, seen("x", []int{9})), []inventory.Key{keyOf("x")}, []string{"a [1]", "b [2]", "x [9]"},
		},
		"never existed": {nodeWith(nsinspect.ByPID1), []inventory.Key{keyOf("y")}, []string{"a [1]", "b [2]", "x [9]"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, brief(MergeTargeted(before, test.now, test.asked))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestMergeEnded has containers that have ended, and that a targeted scan asks about.
func TestMergeEnded(t *testing.T) {
	t.Parallel()
	ended := func(ids ...string) *Snapshot {
		snapshot := nodeWith(nsinspect.ByPID1)
		for _, id := range ids {
			snapshot.Ended = append(snapshot.Ended, seen(id, nil).Container)
		}
		return snapshot
	}
	again := nodeWith(nsinspect.ByPID1, seen("a", []int{1}))
	for name, test := range map[string]struct {
		before, now *Snapshot
		asked       []inventory.Key
		want        *Snapshot
	}{
		"one more has ended":    {ended("a"), ended("b"), []inventory.Key{keyOf("b")}, ended("a", "b")},
		"one is gone":           {ended("a", "b"), ended(), []inventory.Key{keyOf("a")}, ended("b")},
		"one is there as ended": {ended("a"), ended("a"), []inventory.Key{keyOf("a")}, ended("a")},
		"one runs after all":    {ended("a", "b"), again, nil, ended("b")},
	} {
		if diff := cmp.Diff(test.want.Ended, MergeTargeted(test.before, test.now, test.asked).Ended); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(ended("b").Ended, MergeFull(ended("a"), ended("b")).Ended); diff != "" {
		t.Errorf("a full scan: -want +got:\n%s", diff)
	}
}

func TestMergeKeepsPorts(t *testing.T) {
	t.Parallel()
	withPorts := func(coverage *PortCoverage, sockets []Socket, forwards []Forward) *Snapshot {
		container := seen("a", []int{1})
		container.Sockets, container.Forwards = sockets, forwards
		snapshot := nodeWith(nsinspect.ByPID1, container)
		snapshot.Ports = coverage
		if unread := &snapshot.Containers[0].Unread; coverage != nil {
			coverage.Mark(unread)
		} else {
			MarkUnread(unread, Gap{Cause: CauseUnfinished, Detail: "the scan was not finished"})
		}
		return snapshot
	}
	before := withPorts(&PortCoverage{}, []Socket{{Socket: nstest.Listener(80)}}, []Forward{{Forward: nstest.Forward(9000)}})
	gap := Gap{Cause: CauseRead, Detail: "interrupted"}
	tests := map[string]struct {
		now               *Snapshot
		sockets, forwards int
	}{
		"gone is gone":                 {withPorts(&PortCoverage{}, nil, nil), 0, 0},
		"ports were not looked at":     {withPorts(nil, nil, nil), 1, 1},
		"forwards could not be read":   {withPorts(&PortCoverage{NoForwards: []Gap{gap}}, nil, nil), 0, 1},
		"TCP could not be read":        {withPorts(&PortCoverage{NoSockets: map[socket.Protocol]Gap{socket.TCP: gap}}, nil, nil), 1, 0},
		"UDP could not be read":        {withPorts(&PortCoverage{NoSockets: map[socket.Protocol]Gap{socket.UDP: gap}}, nil, nil), 0, 0},
		"partly read, and still there": {withPorts(&PortCoverage{NoForwards: []Gap{gap}}, nil, before.Containers[0].Forwards), 0, 1},
	}
	for name, test := range tests {
		for way, merged := range map[string]*Snapshot{
			"full":     MergeFull(before, test.now),
			"targeted": MergeTargeted(before, test.now, []inventory.Key{before.Containers[0].Key()}),
		} {
			container := merged.Containers[0]
			if len(container.Sockets) != test.sockets || len(container.Forwards) != test.forwards || merged.Ports == nil {
				t.Errorf("%s, %s: %d sockets, %d forwards, %v", name, way, len(container.Sockets), len(container.Forwards), merged.Ports)
			}
		}
	}
}

// TestMergeTargetedRepeatsNoGap has a gap of the node that the full scan had already.
func TestMergeTargetedRepeatsNoGap(t *testing.T) {
	t.Parallel()
	gaps := []Gap{{Cause: CauseDenied, Detail: "CAP_SYS_PTRACE is missing"}}
	before := nodeWith(nsinspect.ByPID1)
	before.Coverage.Gaps = gaps
	now := nodeWith(nsinspect.ByPID1, seen("a", []int{1}))
	now.Coverage.Gaps = gaps
	if diff := cmp.Diff([]string{"a [1]"}, brief(MergeTargeted(before, now, nil))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestMergeKeepsCredentials has a container of which another scan may not see where its processes
// are, but may read their credentials.
func TestMergeKeepsCredentials(t *testing.T) {
	t.Parallel()
	of := func(uid uint32, groups ...nsinspect.ThreadGroup) Container {
		container := seen("a", nil)
		container.Credentials = []Credentials{{}, {}}
		container.Credentials[1].UIDs.Real = uid
		container.Mounts = &Mounts{ReadOnlyRoot: uid == 1}
		container.Processes = []Process{{PID: int(uid), Groups: groups, Credentials: []CredentialGroup{{Set: 1, Threads: 1}}}}
		return container
	}
	denied := func(container Container) Container {
		container.Unread.Gaps = []Gap{{Cause: CauseDenied, Detail: "because"}}
		return container
	}
	known := nstest.Sharing()
	tests := map[string]struct {
		before, now Container
		want        uint32
	}{
		"both are known":              {of(1, known), of(2, known), 2},
		"where it is was known":       {of(1, known), denied(of(2)), 1},
		"where it is was never known": {denied(of(1)), denied(of(2)), 2},
		"nothing is known now":        {of(1, known), denied(seen("a", nil)), 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := MergeFull(nodeWith(nsinspect.ByPID1, test.before), nodeWith(nsinspect.ByPID1, test.now)).Containers[0]
			process := got.Processes[0]
			if process.PID != int(test.want) || got.Credentials[process.Credentials[0].Set].UIDs.Real != test.want || got.Mounts.ReadOnlyRoot != (test.want == 1) {
				t.Errorf("container %+v, want that of %d", got, test.want)
			}
		})
	}
}
