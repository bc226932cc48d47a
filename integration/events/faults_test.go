// SPDX-License-Identifier: Apache-2.0

//go:build integration

package events_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/agent/report/events"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// testStorm has findings that begin and end while most requests fail.
func testStorm(t *testing.T, s *scene) {
	pods := s.pods("storm", 60)
	a := s.start(t, nil)
	s.proxy.storm(s.random, 0.6)
	for n := 10; n <= len(pods); n += 10 {
		a.see(pods[:n]...)
		time.Sleep(5 * time.Second)
	}
	s.proxy.setPlan(nil)
	a.settle(t)
	s.count(t, a.seen, false)
	s.proxy.storm(s.random, 0.6)
	a.see()
	time.Sleep(75 * time.Second)
	s.proxy.setPlan(nil)
	a.settle(t)
	s.count(t, a.seen, true)
	for _, event := range s.list(t) {
		if event.Series != nil {
			t.Errorf("%s is counted %d times, for one occurrence", event.Name, event.Series.Count)
		}
	}
}

// testChaos has findings that come and go, containers that restart, a clock that jumps, and an agent that is killed, all
// at random. What only an agent that was killed has seen may be without an Event; none has two.
func testChaos(t *testing.T, s *scene) {
	pods := s.pods("chaos", 20)
	var offset atomic.Int64
	change := func(config *events.Config) {
		everyMinute(config)
		config.Clock = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	}
	s.proxy.storm(s.random, 0.3)
	a := s.start(t, change)
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		switch s.random.IntN(8) {
		case 0:
			a.kill()
			<-a.gone
			a = s.start(t, change)
		case 1:
			offset.Store(int64(time.Duration(s.random.IntN(7201)-3600) * time.Second))
		}
		var there []snapshot.Container
		for _, pod := range pods {
			if s.random.IntN(3) > 0 {
				if s.random.IntN(10) == 0 {
					pod.ID = "f" + pod.ID[1:] // It has restarted.
				}
				there = append(there, pod)
			}
		}
		a.see(there...)
	}
	s.proxy.setPlan(nil)
	a.see(pods...)
	a.settle(t)
	s.count(t, a.seen, false)
	a.see()
	a.settle(t)
	s.count(t, a.seen, true)
}

// testClock lets the wall clock jump back and forth by an hour. Events are refreshed all the same.
func testClock(t *testing.T, s *scene) {
	pods := s.pods("clock", 10)
	var jumps atomic.Int64
	a := s.start(t, func(config *events.Config) {
		everyMinute(config)
		config.Clock = func() time.Time {
			return time.Now().Add([]time.Duration{0, time.Hour, 0, -time.Hour}[jumps.Load()%4])
		}
	})
	s.proxy.storm(s.random, 0.2)
	for range 40 {
		a.see(pods...)
		time.Sleep(time.Second)
		jumps.Add(1)
	}
	s.proxy.setPlan(nil)
	time.Sleep(30 * time.Second)
	a.settle(t)
	s.count(t, a.seen, false)
	for _, event := range s.list(t) {
		if event.Series == nil || event.Series.Count > 6 {
			t.Errorf("%s: the series is %+v after 70 s with a refresh each half minute", event.Name, event.Series)
		}
	}
	jumps.Add(1)
	a.see()
	a.settle(t)
	s.count(t, a.seen, true)
}

// testAway has 500 findings that arrive while the API server can't be reached.
func testAway(t *testing.T, s *scene) {
	pods := s.pods("away", 500)
	a := s.start(t, nil)
	a.see()
	s.proxy.away()
	for n := 50; n <= len(pods); n += 50 {
		a.see(pods[:n]...)
		time.Sleep(12 * time.Second)
	}
	if pending := a.Pending(); pending < len(pods) {
		t.Errorf("%d are pending, want all %d", pending, len(pods))
	}
	s.proxy.listen()
	back := time.Now()
	a.settle(t)
	t.Logf("away for two minutes: all is sent %v after", time.Since(back).Round(time.Second))
	s.count(t, a.seen, false)
	delayed := 0
	for _, event := range s.list(t) {
		if event.Reason == "EventsDelayed" {
			delayed++
		}
	}
	if delayed != 1 {
		t.Errorf("%d events say that events wait, want 1", delayed)
	}
}

// step is a request of an agent's, and when the agent is killed: before the request reaches the API server, or after its
// answer has left that.
type step struct {
	request int
	after   bool
}

// killAt kills an agent at a step.
func (s *scene) killAt(a *agent, at step) {
	var requests atomic.Int32
	s.proxy.setPlan(func(*http.Request) (fault, func()) {
		if int(requests.Add(1))-1 != at.request {
			return pass, nil
		}
		if at.after {
			return cutAfter, a.kill
		}
		a.kill()
		return cutBefore, nil
	})
}
