// SPDX-License-Identifier: Apache-2.0

//go:build integration

package events_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// died waits until an agent that is killed at a step is gone.
func (a *agent) died(t *testing.T) {
	t.Helper()
	select {
	case <-a.gone:
	case <-time.After(2 * time.Minute):
		t.Fatal("the agent was not killed: it made no such request")
	}
	a.scene.proxy.setPlan(nil)
}

// counts returns the counts of the series of a pod's Events, by reason.
func (s *scene) counts(t *testing.T, pod snapshot.Container) map[string]int32 {
	t.Helper()
	counts := make(map[string]int32)
	for _, event := range s.list(t) {
		if event.Regarding.Name != pod.Pod.Name {
			continue
		}
		counts[event.Reason] = 1
		if event.Series != nil {
			counts[event.Reason] = event.Series.Count
		}
	}
	return counts
}

// testKilled kills an agent at each step of a create, and at each step by which a later one continues the Event.
func testKilled(t *testing.T, s *scene) {
	all := make(map[string]bool)
	for i, test := range []struct {
		// lives is how many agents have delivered before.
		lives int
		at    step
		count int32
	}{
		{0, step{0, false}, 1}, // create
		{0, step{0, true}, 2},
		{1, step{0, false}, 2}, // create, which is refused as there is one
		{1, step{0, true}, 2},
		{1, step{1, false}, 2}, // the patch that reads it
		{1, step{1, true}, 2},
		{1, step{2, false}, 2}, // the patch that continues it
		{1, step{2, true}, 3},
	} {
		name := fmt.Sprintf("life-%d", i)
		pods := s.pods(name, 1)
		live := func() {
			a := s.start(t, nil)
			a.see(pods...)
			a.settle(t)
			a.kill()
			maps.Copy(all, a.seen)
		}
		for range test.lives {
			live()
		}
		a := s.start(t, nil)
		s.killAt(a, test.at)
		a.see(pods...)
		a.died(t)
		live()
		if got := s.counts(t, pods[0])["UndeclaredHostNetwork"]; got != test.count {
			t.Errorf("%+v: the series has %d occurrences, want %d", test, got, test.count)
		}
	}
	s.count(t, all, false)
}

// testKilledAtRefresh kills an agent when it refreshes an Event.
func testKilledAtRefresh(t *testing.T, s *scene) {
	all := make(map[string]bool)
	for i, after := range []bool{false, true} {
		pods := s.pods(fmt.Sprintf("refresh-%d", i), 1)
		a := s.start(t, everyMinute)
		a.see(pods...)
		a.settle(t)
		s.killAt(a, step{0, after})
		a.died(t)
		a = s.start(t, nil)
		a.see(pods...)
		a.settle(t)
		a.kill()
		maps.Copy(all, a.seen)
		if got, want := s.counts(t, pods[0])["UndeclaredHostNetwork"], int32(2+i); got != want {
			t.Errorf("killed after the answer %t: the series has %d occurrences, want %d", after, got, want)
		}
	}
	s.count(t, all, false)
}

// testKilledAtEnd kills an agent when it says that a finding has ended. Agents have no state: what had ended before a
// later one started is unknown to that.
func testKilledAtEnd(t *testing.T, s *scene) {
	all := make(map[string]bool)
	for i, after := range []bool{false, true} {
		pods := s.pods(fmt.Sprintf("end-%d", i), 1)
		a := s.start(t, nil)
		a.see(pods...)
		a.settle(t)
		s.killAt(a, step{0, after})
		a.see()
		a.died(t)
		maps.Copy(all, a.seen)
		a = s.start(t, nil)
		a.see()
		a.settle(t)
		want := map[string]int32{"UndeclaredHostNetwork": 1}
		if after {
			want["UndeclaredHostNetworkEnded"] = 1
		}
		if got := s.counts(t, pods[0]); !maps.Equal(got, want) {
			t.Errorf("killed after the answer %t: events %v, want %v", after, got, want)
		}
		// It comes back and ends again, in the sight of one agent.
		a.see(pods...)
		a.settle(t)
		a.see()
		a.settle(t)
		want["UndeclaredHostNetwork"]++
		want["UndeclaredHostNetworkEnded"]++
		if got := s.counts(t, pods[0]); !maps.Equal(got, want) {
			t.Errorf("after it ended again: events %v, want %v", got, want)
		}
		a.kill()
	}
	s.count(t, all, true)
}
