// SPDX-License-Identifier: Apache-2.0

package events

import (
	"testing"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

// TestEventsWaitForContainerd has a container whose declaration is not known.
func TestEventsWaitForContainerd(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]int{
		inventory.FromContainerd: 1, // It belongs to another runtime.
		inventory.FromMemory:     1,
		inventory.FromCgroups:    0, // It may be anything.
	} {
		snap := &snapshot.Snapshot{Host: nstest.Host(), Containers: []snapshot.Container{{
			Container: inventory.Container{ID: "c", Declared: inventory.Declaration{By: inventory.ByUnknown}},
			Processes: []snapshot.Process{inHostNet(11, "sh")},
		}}}
		snap.Inventory.Source = source
		if got := len(eventsOf(audit.Judge(snap), Warnings)); got != want {
			t.Errorf("from %s: %d events, want %d", source, got, want)
		}
	}
}
