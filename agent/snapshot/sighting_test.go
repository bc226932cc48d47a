// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// at is a minute of the hour in which the tests are.
func at(minute int) time.Time { return time.Date(2026, 5, 4, 14, minute, 0, 0, time.UTC) }

func TestSight(t *testing.T) {
	t.Parallel()
	sighting := Sighting{Kind: nsinspect.Net}
	for i, command := range []string{"sh", "a", "b", "sh", "c", "d"} {
		sighting.Sight(at(i), Visitor{PID: 10 + i, Command: command})
	}
	want := Sighting{
		Kind: nsinspect.Net, First: at(0), Last: at(5), Count: 6, More: 1,
		Visitors: []Visitor{{PID: 13, Command: "sh"}, {PID: 11, Command: "a"}, {PID: 12, Command: "b"}, {PID: 14, Command: "c"}},
	}
	if diff := cmp.Diff(want, sighting); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestMergeKeepsSightings has what was seen of a container before, and what a scan sees of it now.
func TestMergeKeepsSightings(t *testing.T) {
	t.Parallel()
	once := func(kind nsinspect.Kind, minute int, command string) Sighting {
		return Sighting{Kind: kind, First: at(minute), Last: at(minute), Count: 1, Visitors: []Visitor{{PID: 7, Command: command}}}
	}
	both := Sighting{
		Kind: nsinspect.Net, First: at(1), Last: at(3), Count: 2,
		Visitors: []Visitor{{PID: 7, Command: "a"}, {PID: 7, Command: "b"}},
	}
	tests := map[string]struct {
		before, now, want []Sighting
		after             time.Duration
	}{
		"nobody was seen":     {},
		"nobody is seen now":  {before: []Sighting{once(nsinspect.Net, 1, "a")}, want: []Sighting{once(nsinspect.Net, 1, "a")}},
		"it has been an hour": {before: []Sighting{once(nsinspect.Net, 1, "a")}, after: SightingTTL},
		"the first":           {now: []Sighting{once(nsinspect.Net, 3, "b")}, want: []Sighting{once(nsinspect.Net, 3, "b")}},
		"one more": {
			before: []Sighting{once(nsinspect.Net, 1, "a")}, now: []Sighting{once(nsinspect.Net, 3, "b")}, want: []Sighting{both},
		},
		"of another kind": {
			before: []Sighting{once(nsinspect.Net, 1, "a")}, now: []Sighting{once(nsinspect.IPC, 3, "b")},
			want: []Sighting{once(nsinspect.IPC, 3, "b"), once(nsinspect.Net, 1, "a")},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := func(sightings []Sighting, time time.Time) *Snapshot {
				container := seen("a", []int{1})
				container.Sightings = sightings
				snapshot := nodeWith(nsinspect.ByPID1, container)
				snapshot.Time = time
				return snapshot
			}
			before, now := node(test.before, at(2)), node(test.now, at(4).Add(test.after))
			unchanged := node(test.before, at(2))
			if diff := cmp.Diff(test.want, MergeFull(before, now).Containers[0].Sightings); diff != "" {
				t.Errorf("a full scan: -want +got:\n%s", diff)
			}
			targeted := MergeTargeted(before, now, []inventory.Key{keyOf("a")})
			if diff := cmp.Diff(test.want, targeted.Containers[0].Sightings); diff != "" {
				t.Errorf("a targeted one: -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(unchanged, before); diff != "" {
				t.Errorf("what was before has changed:\n%s", diff)
			}
		})
	}
}

// TestDecodeRefusesSightings has sightings that no nsaudit writes.
func TestDecodeRefusesSightings(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(c *Container){
		"two of a kind":  func(c *Container) { c.Sightings = append(c.Sightings, c.Sightings...) },
		"many visitors":  func(c *Container) { c.Sightings[0].Visitors = make([]Visitor, MaxVisitors+1) },
		"no visit":       func(c *Container) { c.Sightings[0].Count = 0 },
		"less than none": func(c *Container) { c.Sightings[0].More = -1 },
		"it ends early":  func(c *Container) { c.Sightings[0].Last = at(0) },
	} {
		s := saved()
		spoil(&s.Containers[1])
		var b bytes.Buffer
		if err := Encode(&b, s); err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(&b); !errors.Is(err, ErrNotSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
