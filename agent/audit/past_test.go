// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TestPast has a container that was in the host's network. It is a finding like one that is there, by
// the same ID, until somebody else is there or it is forgotten.
func TestPast(t *testing.T) {
	t.Parallel()
	last := time.Date(2026, 5, 4, 14, 2, 11, 0, time.UTC)
	visited := func(declared inventory.Declaration, processes ...snapshot.Process) snapshot.Container {
		c := container("main", declared, processes...)
		c.Sightings = []snapshot.Sighting{{
			Kind: nsinspect.Net, First: last.Add(-time.Minute), Last: last, Count: 2,
			Visitors: []snapshot.Visitor{{PID: 12, Command: "sh"}}, More: 1,
		}}
		return c
	}
	judge := func(c snapshot.Container) []Finding {
		return Judge(snapshotOf(pause(byPod(), isolated(10)), c)).Findings
	}
	past := judge(visited(byPod(), isolated(11)))
	if diff := cmp.Diff([]string{"main-id UndeclaredHostNetwork nobody net:1 12/0[] +1"}, lines(past)); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	want := &PastEvidence{First: last.Add(-time.Minute), Last: last, Count: 2}
	if diff := cmp.Diff(want, past[0].Evidence.(*NamespaceEvidence).Past); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	present := judge(visited(byPod(), process(11, hostNet, podPID, podIPC)))
	if len(present) != 1 || present[0].Evidence.(*NamespaceEvidence).Past != nil || present[0].ID != past[0].ID || present[0].Severity != past[0].Severity {
		t.Errorf("findings %+v where one is there, and %+v where one was", present, past)
	}
	if gone := judge(visited(byPod())); len(gone) != 1 {
		t.Errorf("findings %+v of a container that has ended", gone)
	}
	shared := byPod(nsinspect.Net)
	if declared := judge(visited(shared, process(11, hostNet, podPID, podIPC))); len(declared) != 1 || declared[0].Verdict != Shared {
		t.Errorf("findings %+v where it was declared", declared)
	}
	unknown := visited(inventory.Declaration{By: inventory.ByUnknown}, isolated(11))
	if findings := judge(unknown); len(findings) != 1 || findings[0].DeclaredBy != inventory.ByUnknown {
		t.Errorf("findings %+v where it is unknown what was declared", findings)
	}
}
