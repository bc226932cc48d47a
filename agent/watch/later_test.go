// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// look is when containers were looked at.
type look struct {
	after time.Duration
	ids   []string
}

// looks takes what the queue has to be looked at until a time has passed, each look at this cost.
func looks(q *Queue, until, cost time.Duration) []look {
	var all []look
	begin := time.Now()
	end := time.After(until)
	for {
		select {
		case <-q.Ready():
		case <-end:
			return all
		}
		keys, _ := q.Take()
		var ids []string
		for _, key := range keys {
			ids = append(ids, key.ID)
		}
		slices.Sort(ids)
		q.Spent(cost)
		if len(ids) > 0 {
			all = append(all, look{time.Since(begin), ids})
		}
	}
}

func TestLaterLooks(t *testing.T) {
	t.Parallel()
	id := func(name string) inventory.Key { return inventory.Key{ID: name} }
	capable := func(key inventory.Key) bool { return key.ID == "capable" }
	tests := map[string]struct {
		changes func(q *Queue)
		want    []look
	}{
		"it starts": {
			func(q *Queue) { q.Changed(id("a"), inventory.Started) },
			[]look{{0, []string{"a"}}, {500 * time.Millisecond, []string{"a"}}, {2 * time.Second, []string{"a"}}, {10 * time.Second, []string{"a"}}},
		},
		"it starts, and ends": {
			func(q *Queue) { q.Changed(id("a"), inventory.Started); q.Changed(id("a"), inventory.Ended) },
			[]look{{0, []string{"a"}}},
		},
		"a program is started in one that can enter": {
			func(q *Queue) { q.Changed(id("capable"), inventory.Entered) },
			[]look{{250 * time.Millisecond, []string{"capable"}}, {2 * time.Second, []string{"capable"}}},
		},
		"programs are started in others": {
			func(q *Queue) {
				q.Changed(id("a"), inventory.Entered)
				time.Sleep(3 * time.Second)
				q.Changed(id("b"), inventory.Entered)
				q.Changed(id("a"), inventory.Entered)
			},
			[]look{{7 * time.Second, []string{"a", "b"}}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := NewQueue(Costs{Rate: 0.004, Burst: 250 * time.Millisecond}, capable)
				test.changes(q)
				got := looks(q, time.Minute, time.Millisecond)
				for i := range got {
					if i < len(test.want) && (got[i].after-test.want[i].after).Abs() <= test.want[i].after/10 {
						got[i].after = test.want[i].after // They are jittered.
					}
				}
				if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(look{})); diff != "" {
					t.Errorf("looks (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestLaterLooksAreBounded has a node with 110 pods in each of which a program is started every ten
// seconds, all of which can enter a namespace of the host.
func TestLaterLooksAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rate, burst, cost = 0.004, 250 * time.Millisecond, 30 * time.Millisecond
		q := NewQueue(Costs{Rate: rate, Burst: burst}, func(inventory.Key) bool { return true })
		const hour = time.Hour
		done := make(chan struct{})
		go func() {
			defer close(done)
			for began := time.Now(); time.Since(began) < hour; {
				for i := range 110 {
					time.Sleep(10 * time.Second / 110)
					q.Changed(inventory.Key{ID: fmt.Sprint(i)}, inventory.Entered)
				}
			}
		}()
		all := looks(q, hour, cost)
		<-done
		spent := time.Duration(len(all)) * cost
		if limit := time.Duration(rate*float64(hour)) + burst + cost; spent > limit || spent < limit/2 {
			t.Errorf("%d looks cost %s, want at most %s, and not half of it", len(all), spent, limit)
		}
		seen := make(map[string]bool)
		for _, look := range all {
			if len(look.ids) > maxTargets {
				t.Errorf("%d containers in one look", len(look.ids))
			}
			for _, id := range look.ids {
				seen[id] = true
			}
		}
		if len(seen) != 110 {
			t.Errorf("%d containers were looked at, want each", len(seen))
		}
	})
}

// TestLaterIsCapped has more containers than are looked at later.
func TestLaterIsCapped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(Costs{}, func(inventory.Key) bool { return true })
		for i := range maxLater + 10 {
			for range 3 {
				q.Changed(inventory.Key{ID: fmt.Sprint(i)}, inventory.Entered)
			}
		}
		if got := len(q.later.due); got != maxLater {
			t.Errorf("%d containers are planned for, want %d", got, maxLater)
		}
		for key, times := range q.later.due {
			if len(times) > maxLooks {
				t.Errorf("%d looks at %s", len(times), key.ID)
			}
		}
		q.later.timer.Stop()
	})
}
