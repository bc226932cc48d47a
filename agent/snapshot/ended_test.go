// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

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
	key := func(id string) inventory.Key { container := seen(id, nil); return container.Key() }
	for name, test := range map[string]struct {
		before, now *Snapshot
		asked       []inventory.Key
		want        *Snapshot
	}{
		"one more has ended":    {ended("a"), ended("b"), []inventory.Key{key("b")}, ended("a", "b")},
		"one is gone":           {ended("a", "b"), ended(), []inventory.Key{key("a")}, ended("b")},
		"one is there as ended": {ended("a"), ended("a"), []inventory.Key{key("a")}, ended("a")},
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
