// SPDX-License-Identifier: Apache-2.0

package events

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// inBubble runs a test in a bubble, in which hours take no time, with an agent that runs.
func inBubble(t *testing.T, test func(*testing.T, *apiServer, *agent)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		api := newAPIServer()
		agent := newAgent(t, clientTo(t, "http://api", api))
		agent.run(t)
		test(t, api, agent)
	})
}

// gaps returns the times between the requests with a verb.
func (a *apiServer) gaps(verb string) []time.Duration {
	times := a.times(verb)
	var gaps []time.Duration
	for i := 1; i < len(times); i++ {
		gaps = append(gaps, times[i].Sub(times[i-1]))
	}
	return gaps
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.Publish(nodeOf(hostNet("a")))
		for range 24 * 60 {
			time.Sleep(time.Minute)
			agent.Publish(nodeOf(hostNet("a")))
		}
		for _, gap := range api.gaps("patch") {
			if gap > DefaultTTL/2 || gap < DefaultTTL*2/5 {
				t.Errorf("%v between two refreshes", gap)
			}
		}
		if verbs := api.verbs(); verbs["create"] != 1 || verbs["patch"] < 48 {
			t.Errorf("requests in a day: %v", verbs)
		}
		for _, event := range api.all() {
			if age := time.Since(event.Series.LastObservedTime.Time); age > DefaultTTL/2 {
				t.Errorf("last observed %v ago", age)
			}
		}
	})
}

func TestRestartInterval(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		start := time.Now()
		restart := func(letter string) {
			c := hostNet(letter)
			c.Pod.UID = "uid"
			agent.Publish(nodeOf(c))
			synctest.Wait()
		}
		restart("a")
		time.Sleep(10 * time.Minute)
		restart("b")
		for range 20 {
			time.Sleep(time.Second)
			restart("c")
			time.Sleep(time.Second)
			restart("d")
		}
		time.Sleep(9 * time.Minute)
		var got []time.Duration
		for _, at := range api.times("patch") {
			got = append(got, at.Sub(start))
		}
		if diff := cmp.Diff([]time.Duration{10 * time.Minute, 11 * time.Minute}, got); diff != "" {
			t.Errorf("patches (-want +got):\n%s", diff)
		}
		api.want(t, podEvent+"3")
	})
}

// TestRestartDuringDelivery has a container that started while the one before it was
// delivered.
func TestRestartDuringDelivery(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		api.delay = 2 * time.Second
		agent.Publish(nodeOf(hostNet("a")))
		time.Sleep(time.Second)
		restarted := hostNet("b")
		restarted.Pod.UID = "uid-a"
		agent.Publish(nodeOf(restarted))
		time.Sleep(time.Minute)
		api.want(t, podEvent+"1")
		time.Sleep(5 * time.Second)
		api.want(t, podEvent+"2")
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		api.setRefuse(func(request) error { return apierrors.NewTooManyRequestsError("slow down") })
		agent.Publish(nodeOf(hostNet("a")))
		time.Sleep(5 * time.Minute)
		want := []time.Duration{
			time.Second / 2, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
			16 * time.Second, 32 * time.Second, time.Minute, time.Minute, time.Minute,
		}
		if diff := cmp.Diff(want, api.gaps("create")); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
	})
}

// TestNoAnswer takes an Event for delivered that the API server took without saying so.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		api.setDeaf(true)
		start := time.Now()
		agent.Publish(nodeOf(hostNet("a")))
		if time.Since(start) != 0 {
			t.Error("the report waited")
		}
		time.Sleep(requestTimeout + time.Second/4)
		if diff := cmp.Diff(map[Result]int{Failed: 1}, agent.sentResults()); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
		api.setDeaf(false)
		time.Sleep(time.Second)
		if agent.Pending() != 0 {
			t.Error("it is still pending")
		}
		api.want(t, podEvent+"1")
	})
}

// TestRefreshFails keeps a refresh pending, and with the finding's end only that.
func TestRefreshFails(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.see(hostNet("a"))
		synctest.Wait()
		api.setRefuse(func(r request) error {
			if r.Verb == "patch" {
				return apierrors.NewForbidden(eventResource, "", nil)
			}
			return nil
		})
		time.Sleep(DefaultTTL / 2)
		if agent.Pending() != 1 || agent.Err() == nil {
			t.Errorf("%d are pending, with the problem %v", agent.Pending(), agent.Err())
		}
		agent.see()
		time.Sleep(2 * time.Minute)
		if agent.Pending() != 0 || agent.Err() != nil {
			t.Errorf("once it is gone %d are pending, with the problem %v", agent.Pending(), agent.Err())
		}
		api.want(t, podEvent+"1", podEnded+"1")
	})
}

// TestRetryAfter waits for as long as the API server asks, if that is longer, and not for ever.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		asked := 3
		api.setRefuse(func(request) error {
			return apierrors.NewTooManyRequests("slow down", asked)
		})
		agent.Publish(nodeOf(hostNet("a")))
		time.Sleep(7 * time.Second)
		api.mu.Lock()
		asked = 3600
		api.mu.Unlock()
		time.Sleep(4 * time.Minute)
		want := []time.Duration{3 * time.Second, 3 * time.Second, 3 * time.Second, time.Minute, time.Minute, time.Minute}
		if diff := cmp.Diff(want, api.gaps("create")); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
	})
}
