// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

// ranged is a container of a pod with a user namespace of its own.
func ranged(pod string, ns uint64, maps nsinspect.IDMaps) snapshot.Container {
	c := mappedTo(65536, boxed(told(405), of(65941)))
	c.ID, c.SandboxID, c.Pod = pod+"-main", pod, &inventory.Pod{Namespace: "default", Name: pod, UID: pod}
	c.UserNamespace = nstest.ID(ns)
	c.UserNamespaces = []snapshot.UserNamespace{{ID: nstest.ID(ns), Maps: maps}, {ID: nstest.ID(nestedUsers), Maps: nsinspect.IDMaps{UIDs: nsinspect.IDMap{{Count: 1 << 31}}}}}
	return c
}

func TestUserRanges(t *testing.T) {
	t.Parallel()
	at := func(outside ...uint32) nsinspect.IDMaps {
		var maps nsinspect.IDMaps
		for i, first := range outside {
			maps.UIDs = append(maps.UIDs, nsinspect.IDRange{Inside: uint32(i) << 16, Outside: first, Count: 65536}) //nolint:gosec // There are few.
		}
		return maps
	}
	gids := nsinspect.IDMaps{GIDs: at(65536).UIDs}
	side := ranged("a", 105, at(65536))
	side.ID, side.Name = "a-side", "side"
	hostUser := ranged("b", hostUserNS, at(65536))
	docker := ranged("b", 106, at(65536))
	docker.SandboxID, docker.Pod = "", nil
	tests := map[string]struct {
		containers []snapshot.Container
		want       []string
	}{
		"apart":                         {[]snapshot.Container{ranged("a", 105, at(65536)), ranged("b", 106, at(131072))}, nil},
		"one pod's containers":          {[]snapshot.Container{ranged("a", 105, at(65536)), side}, nil},
		"the same range":                {[]snapshot.Container{ranged("a", 105, at(65536)), ranged("b", 106, at(65536))}, []string{"UserRangeShared nobody: uids 65536-131071, as pod default/b", "UserRangeShared nobody: uids 65536-131071, as pod default/a"}},
		"one id":                        {[]snapshot.Container{ranged("a", 105, at(65536)), ranged("b", 106, at(131071))}, []string{"UserRangeShared nobody: uids 131071-196606, as pod default/b", "UserRangeShared nobody: uids 65536-131071, as pod default/a"}},
		"groups only":                   {[]snapshot.Container{ranged("a", 105, gids), ranged("b", 106, gids)}, []string{"UserRangeShared nobody: gids 65536-131071, as pod default/b", "UserRangeShared nobody: gids 65536-131071, as pod default/a"}},
		"users of one, groups of other": {[]snapshot.Container{ranged("a", 105, gids), ranged("b", 106, at(65536))}, nil},
		"the host's namespace":          {[]snapshot.Container{ranged("a", 105, at(65536)), hostUser}, nil},
		"outside pods":                  {[]snapshot.Container{ranged("a", 105, at(65536)), docker}, nil},
		"the end of all ids":            {[]snapshot.Container{ranged("a", 105, at(1<<32-65536)), ranged("b", 106, at(1<<32-65536))}, []string{"UserRangeShared nobody: uids 4294901760-4294967295, as pod default/b", "UserRangeShared nobody: uids 4294901760-4294967295, as pod default/a"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, only(t, secured(test.containers...), UserRanges)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestOverlapsOfMany compares with what a look at each pair finds.
func TestOverlapsOfMany(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 500 {
		var ranges []podRange
		for range random.IntN(12) {
			name := fmt.Sprint(random.IntN(5))
			ranges = append(ranges, podRange{
				nsinspect.IDRange{Outside: random.Uint32N(60), Count: 1 + random.Uint32N(15)}, inventory.Key{ID: name}, name,
			})
		}
		want := make(map[inventory.Key]bool)
		for _, a := range ranges {
			for _, b := range ranges {
				if a.pod != b.pod && (nsinspect.IDMap{a.IDRange}).Overlaps(nsinspect.IDMap{b.IDRange}) {
					want[a.pod] = true
				}
			}
		}
		got := make(map[inventory.Key]bool)
		for pod := range overlaps(ranges, "uids") {
			got[pod] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round %d of %v (-want +got):\n%s", round, ranges, diff)
		}
	}
}
