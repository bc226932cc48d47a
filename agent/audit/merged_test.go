// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// TestMergedPortsStayUnknown has a pod that starts after a full scan that saw everything,
// and a scan of it that does not see the forwards: the full scan's coverage is not its own.
func TestMergedPortsStayUnknown(t *testing.T) {
	t.Parallel()
	before := lookedAt(nil, &snapshot.PortCoverage{})
	unread := lookedAt(podOf(false, nil, nil, tcp(9000)), &snapshot.PortCoverage{
		NoForwards: []snapshot.Gap{{Cause: snapshot.CauseRead, Detail: "the rules changed while they were read"}},
	})
	unfinished := lookedAt(podOf(false, nil, nil, tcp(9000)), &snapshot.PortCoverage{})
	unfinished.Ports = nil
	for i := range unfinished.Containers {
		snapshot.MarkUnread(&unfinished.Containers[i].Unread, snapshot.Gap{Cause: snapshot.CauseUnfinished, Detail: "the scan was not finished"})
	}
	keys := []inventory.Key{unread.Containers[0].Key(), unread.Containers[1].Key()}
	const declares = "it declares host port 9000/TCP, which can't be verified here: "
	tests := map[string]struct {
		merged  *snapshot.Snapshot
		unknown []string
	}{
		"a targeted scan that could not read forwards": {
			snapshot.MergeTargeted(before, unread, keys),
			[]string{
				"forwards of the host's ports may be missing: the rules changed while they were read",
				"forwards of the host's ports may be missing: the rules changed while they were read",
				declares + "the rules changed while they were read",
			},
		},
		"a full scan that was cut short": {
			snapshot.MergeFull(before, unfinished),
			[]string{declares + "the scan was not finished"},
		},
		"a targeted scan that saw everything, after a full one that did not": {
			snapshot.MergeTargeted(unfinished, lookedAt(podOf(false, nil, nil, tcp(9000)), &snapshot.PortCoverage{}), keys),
			nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings, unknown := hostPort().Judge(&node{Snapshot: test.merged})
			seen := test.unknown == nil
			if notInEffect := len(findings) == 1 && findings[0].Verdict == NotInEffect; notInEffect != seen {
				t.Errorf("findings: %+v", findings)
			}
			var details []string
			for _, u := range unknown {
				if u.Detail != "" && (u.Cause != snapshot.CauseUnfinished || u.Detail[:2] == "it") {
					details = append(details, u.Detail)
				}
			}
			if diff := cmp.Diff(test.unknown, details); diff != "" {
				t.Errorf("unknown (-want +got):\n%s", diff)
			}
		})
	}
}
