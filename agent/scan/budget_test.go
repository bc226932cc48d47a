// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"slices"
	"testing"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

// TestProcessesOfOneContainer has more processes than a snapshot holds, of a container or of all: what
// can't be held makes that container unknown, and no other.
func TestProcessesOfOneContainer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		own, all int
		shares   bool
		want     bool
	}{
		"few":                                   {fewRecorded, maxRecorded - 1, false, true},
		"few, on a full node":                   {fewRecorded - 1, maxRecorded, false, true},
		"more, on a full node":                  {fewRecorded, maxRecorded, false, false},
		"many":                                  {maxRecordedOfOne, maxRecordedOfOne, false, false},
		"many, one of them shares":              {maxRecordedOfOne, maxRecorded, true, true},
		"many, and more of them share than fit": {maxRecordedOfOne + spareRecorded, maxRecorded, true, false},
		"one that shares, where few are, is held": {0, 2 * maxRecorded, true, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBuilder(&snapshot.Snapshot{}, []inventory.Container{{ID: "box"}, {ID: "other"}})
			box, other := b.container(inventory.Key{ID: "box"}), b.container(inventory.Key{ID: "other"})
			box.Processes, b.recorded = make([]snapshot.Process, test.own), test.all
			if got := b.add(box, &snapshot.Process{PID: 1}, test.shares); got != test.want || got == (len(box.Unread.Gaps) > 0) {
				t.Errorf("added: %t, want %t, unread %v", got, test.want, box.Unread)
			}
			if len(other.Unread.Gaps) > 0 {
				t.Errorf("of another container is unread: %v", other.Unread)
			}
		})
	}
}

// TestThreadsOfOneContainer has a process with many threads take most of what is left to its container,
// and begin with those that were named before.
func TestThreadsOfOneContainer(t *testing.T) {
	t.Parallel()
	b := newBuilder(&snapshot.Snapshot{Host: nstest.Host()}, nil)
	i := newInspector(t.Context(), &node{ref: nstest.Host()}, b, &Config{Depth: Namespaces})
	container, other := new(snapshot.Container), new(snapshot.Container)
	container.Processes = []snapshot.Process{{PID: 7, Groups: []nsinspect.ThreadGroup{{TIDs: []int{8, 9}}}, Credentials: []snapshot.CredentialGroup{{TIDs: []int{10}}}}}
	var limits []int
	for range 100 {
		limit := i.threadLimit(container, 7)
		limits = append(limits, limit.Max)
		i.threads[container] += limit.Max - 1
	}
	sum := 0
	for _, limit := range limits {
		sum += limit
	}
	if limits[0] != maxThreads*3/4 || limits[99] != fewThreads || sum > maxThreads+100*fewThreads {
		t.Errorf("limits %v, altogether %d", limits, sum)
	}
	if got := i.threadLimit(container, 7).First(); !slices.Equal(got, []int{8, 9, 10}) {
		t.Errorf("first %v", got)
	}
	if got := i.threadLimit(other, 7); got.Max != maxThreads*3/4 || got.First() != nil {
		t.Errorf("of another container: at most %d, first %v", got.Max, got.First())
	}
}

// TestStatusesOfOneContainer has more threads than credentials are read of.
func TestStatusesOfOneContainer(t *testing.T) {
	t.Parallel()
	c := newContext(new(snapshot.Container))
	for range maxStatuses {
		if !c.affords() {
			t.Fatal("it is not affordable to read an ordinary status")
		}
		c.charge(usualStatus)
	}
	if c.affords() || len(c.container.Unread.Security) != 1 || len(c.container.Unread.Gaps) > 0 {
		t.Errorf("unread %+v", c.container.Unread)
	}
}
