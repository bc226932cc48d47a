// SPDX-License-Identifier: Apache-2.0

package events

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// many are containers with a finding each.
func many(n int) []snapshot.Container {
	containers := make([]snapshot.Container, n)
	for i := range containers {
		containers[i] = bare(fmt.Sprintf("c%04d", i), inHostNet(12, "sh"))
	}
	return containers
}

// count counts the Events with a reason.
func (a *apiServer) count(reason string) int {
	n := 0
	for _, line := range a.lines() {
		if strings.Contains(line, " "+reason+" ") {
			n++
		}
	}
	return n
}

// TestSpread spreads the Events of the start over a minute, and nothing later.
func TestSpread(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.spread = time.Minute
		start := time.Now()
		nameless := nodeOf()
		nameless.Snapshot.Inventory.Source = inventory.FromCgroups
		agent.Publish(agent.tracker.Next(nameless)) // That is not the start yet.
		agent.see(many(60)...)
		time.Sleep(30 * time.Second)
		if got := len(api.lines()); got < 10 || got > 50 {
			t.Errorf("%d of 60 events after half of the time", got)
		}
		agent.see(append(many(60), hostNet("a"))...)
		synctest.Wait()
		if !slices.Contains(api.lines(), podEvent+"1") {
			t.Error("what came about later waits too")
		}
		time.Sleep(30 * time.Second)
		if got := len(api.lines()); got != 61 {
			t.Errorf("%d events after a minute, want 61", got)
		}
		if times := api.times("create"); times[0].Sub(start) > 10*time.Second {
			t.Errorf("the first one came after %v", times[0].Sub(start))
		}
	})
}

// TestFlushDoesNotSpread sends all at once: the agent ends.
func TestFlushDoesNotSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newAPIServer()
		agent := newAgent(t, clientTo(t, "http://api", api))
		agent.spread = time.Hour
		stop := agent.run(t)
		agent.see(many(60)...)
		stop()
		start := time.Now()
		if err := agent.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("took %v", took)
		}
		if got := len(api.lines()); got != 60 {
			t.Errorf("%d events, want 60", got)
		}
	})
}

// TestBucket has more findings at once than are sent at once: they wait, which one Event says,
// and all are sent.
func TestBucket(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		const findings = 500
		agent.see(many(findings)...)
		time.Sleep(time.Second)
		if got := api.count("UndeclaredHostNetwork"); got < eventBurst || got > eventBurst+eventRate {
			t.Errorf("%d events after a second", got)
		}
		if got := api.count(delayedReason); got != 1 {
			t.Errorf("%d events say that events wait, want 1", got)
		}
		if got := agent.Pending(); got < findings-eventBurst-eventRate || got > findings {
			t.Errorf("%d are pending", got)
		}
		time.Sleep((findings/eventRate + 1) * time.Second)
		if got := api.count("UndeclaredHostNetwork"); got != findings {
			t.Errorf("%d events, want %d", got, findings)
		}
		time.Sleep(2 * time.Minute)
		if got := api.count(delayedReason + "Ended"); got != 1 {
			t.Errorf("%d events say that none waits any more, want 1", got)
		}
		if agent.Pending() != 0 {
			t.Errorf("%d are pending", agent.Pending())
		}
		if diff := cmp.Diff(map[Result]int{Created: findings + 2}, agent.sentResults()); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
	})
}

// TestFewDoNotWait says nothing of a wait that nobody notices.
func TestFewDoNotWait(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.see(many(40)...)
		time.Sleep(10 * time.Minute)
		if got := len(api.lines()); got != 40 {
			t.Errorf("%d events, want 40", got)
		}
	})
}

// TestFullAgentKeepsItsEvents refreshes as many Events as an agent keeps before they expire.
func TestFullAgentKeepsItsEvents(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.see(many(maxEvents)...)
		time.Sleep(90 * time.Minute)
		for name, event := range api.all() {
			if event.Reason != "UndeclaredHostNetwork" {
				continue
			}
			last := event.EventTime.Time
			if event.Series != nil {
				last = event.Series.LastObservedTime.Time
			}
			if age := time.Since(last); age > DefaultTTL*3/4 {
				t.Fatalf("%s was refreshed %v ago", name, age)
			}
		}
		if got := api.count("UndeclaredHostNetwork"); got != maxEvents {
			t.Errorf("%d events, want %d", got, maxEvents)
		}
	})
}

// TestOutage has findings that arrive while the API server refuses everything.
func TestOutage(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		api.setRefuse(func(request) error { return apierrors.NewServiceUnavailable("starting") })
		for n := 100; n <= 500; n += 100 {
			agent.see(many(n)...)
			time.Sleep(time.Minute)
		}
		if got := agent.Pending(); got != 501 {
			t.Errorf("%d are pending, want 500 and that they wait", got)
		}
		api.setRefuse(nil)
		time.Sleep(10 * time.Minute)
		if got := api.count("UndeclaredHostNetwork"); got != 500 {
			t.Errorf("%d events, want 500", got)
		}
		if api.count(delayedReason) != 1 || api.count(delayedReason+"Ended") != 1 {
			t.Errorf("%d events say that events wait, and %d that none does", api.count(delayedReason), api.count(delayedReason+"Ended"))
		}
		if err := agent.Err(); err != nil {
			t.Error(err)
		}
	})
}

// TestClockJumps lets the wall clock jump: that changes the times in Events, and nothing else.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]time.Duration{"an hour on": time.Hour, "an hour back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
				t.Helper()
				var offset atomic.Int64
				agent.clock = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
				start := time.Now()
				agent.see(hostNet("a"))
				time.Sleep(time.Minute)
				offset.Store(int64(jump))
				agent.see(hostNet("a"))
				time.Sleep(DefaultTTL / 2)
				api.want(t, podEvent+"2")
				for _, event := range api.all() {
					if first := event.EventTime.Time; !first.Equal(start) {
						t.Errorf("the event is of %v, want %v", first, start)
					}
					if got, want := event.Series.LastObservedTime.Time, api.times("patch")[0].Add(jump).Truncate(time.Microsecond); !got.Equal(want) {
						t.Errorf("last observed %v, want %v", got, want)
					}
				}
				offset.Store(0)
				agent.see()
				time.Sleep(time.Minute)
				api.want(t, podEvent+"2", podEnded+"1")
				time.Sleep(3 * time.Hour)
				if diff := cmp.Diff(map[string]int{"create": 2, "patch": 1}, api.verbs()); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestLostAnswers counts no occurrence twice, whichever answer is lost when an Event of an earlier
// agent is continued.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for lost := range 4 {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				api := newAPIServer()
				before := newAgent(t, clientTo(t, "http://api", api))
				before.see(hostNet("a"))
				if err := before.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				agent := newAgent(t, clientTo(t, "http://api", api))
				agent.run(t)
				api.loseAfter(lost)
				agent.see(hostNet("a"))
				time.Sleep(2 * time.Minute)
				api.want(t, podEvent+"2")
			})
		})
	}
}
