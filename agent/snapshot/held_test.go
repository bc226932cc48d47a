// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TestMergeHeld has a container that held something at an earlier scan.
func TestMergeHeld(t *testing.T) {
	t.Parallel()
	file := Held{Kind: nsinspect.Net, Way: HeldFile, PID: 1}
	mount := Held{Kind: nsinspect.IPC, Way: HeldMount, Detail: "/q"}
	before := seen("a", []int{1})
	before.Held = []Held{file}
	gaps := []Gap{{Cause: CauseLimit, Detail: "because"}}
	tests := map[string]struct {
		now  Container
		want []Held
	}{
		"seen, and it holds nothing": {seen("a", []int{1}), nil},
		"not seen":                   {seen("a", nil, CauseDenied), []Held{file}},
		"not all files were listed":  {func() Container { c := seen("a", []int{1}); c.Unread.Held, c.Held = gaps, []Held{mount}; return c }(), []Held{mount, file}},
		"the same is seen again":     {func() Container { c := seen("a", []int{1}); c.Unread.Held, c.Held = gaps, []Held{file}; return c }(), []Held{file}},
	}
	for name, test := range tests {
		known, now := nodeWith(nsinspect.ByPID1, before), nodeWith(nsinspect.ByPID1, test.now)
		for way, merged := range map[string]*Snapshot{"full": MergeFull(known, now), "targeted": MergeTargeted(known, now, []inventory.Key{keyOf("a")})} {
			if diff := cmp.Diff(test.want, merged.Containers[0].Held); diff != "" {
				t.Errorf("%s, %s: -want +got:\n%s", name, way, diff)
			}
		}
	}
}

func TestHeldIsCapped(t *testing.T) {
	t.Parallel()
	var c Container
	for i := range 2 * maxHeld {
		c.AddHeld(Held{Kind: nsinspect.Net, Way: HeldFile, PID: i % (maxHeld + 1)})
	}
	if len(c.Held) != maxHeld {
		t.Errorf("%d are kept", len(c.Held))
	}
}
