package events

import (
	"testing"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// TestEventsWaitForContainerd has a container whose declaration is not known.
func TestEventsWaitForContainerd(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]int{
		inventory.FromContainerd: 1, // It belongs to another runtime.
		inventory.FromMemory:     1,
		inventory.FromCgroups:    0, // It may be anything.
	} {
		snap := &snapshot.Snapshot{Containers: []snapshot.Container{{Container: inventory.Container{ID: "c"}}}}
		snap.Inventory.Source = source
		node := &report.Node{Snapshot: snap, Findings: []audit.Finding{{
			Check: audit.HostNetwork, DeclaredBy: inventory.ByUnknown, Reason: "UndeclaredHostNetwork",
		}}}
		if got := len(eventsOf(node, "n")); got != want {
			t.Errorf("from %s: %d events, want %d", source, got, want)
		}
	}
}
