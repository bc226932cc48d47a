// SPDX-License-Identifier: Apache-2.0

package events

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TestTurns has Events of each class, of a pod with many and of one with one each.
func TestTurns(t *testing.T) {
	t.Parallel()
	q := newTurns()
	push := func(owner string, class class, n int) {
		for i := range n {
			s := &state{owner: fmt.Sprintf("%s %d%d", owner, class, i), warns: class == warning}
			s.event.key, s.owner = s.owner, owner
			if class == refresh {
				s.count.Store(1)
			}
			q.Push(s)
		}
	}
	push("many", refresh, 3)
	push("many", other, 3)
	push("many", warning, 3)
	push("one", refresh, 1)
	push("one", other, 1)
	push("one", warning, 1)
	q.Push(&state{notice: true, event: event{key: "notice"}})
	var got []string
	for n := q.Len(); n > 0; n-- {
		if q.Len() != n {
			t.Fatalf("%d wait, want %d", q.Len(), n)
		}
		got = append(got, q.Pop().event.key)
	}
	want := []string{
		"notice", "many 00", "many 20", "one 00", "many 10", "many 01", "one 20", "many 02", "one 10",
		"many 11", "many 21", "many 12", "many 22",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	for i, class := range q.classes {
		if len(class.owners)+len(class.waiting) > 0 {
			t.Errorf("class %d keeps %d owners and %d lists", i, len(class.owners), len(class.waiting))
		}
	}
}

// hostile is a pod that has other findings at each look: each of its containers declares ports
// and listens on none of some of them.
func hostile(containers, look int) []snapshot.Container {
	var all []snapshot.Container
	for i := range containers {
		c := inPod("hostile", "hostile", nil, inHostNet(1000+i, "sh"))
		c.Name, c.ID = fmt.Sprintf("c%d-%d", i, look), fmt.Sprintf("hostile-%d-%d", i, look)
		all = append(all, c)
	}
	return all
}

// TestNoPodDelaysAnother has a pod whose findings begin and end at each look, more than are sent.
// Another one's Warning comes at once all the same, and is refreshed in time.
func TestNoPodDelaysAnother(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		const flood, looks = 400, 240 // Two hours.
		victim := inPod("victim", "victim", nil, inHostNet(12, "sh"))
		var before time.Duration
		start := time.Now()
		for look := range looks {
			seen := hostile(flood, look)
			if look >= 10 {
				seen = append(seen, victim)
			}
			agent.see(seen...)
			for range 30 {
				time.Sleep(time.Second)
				if before == 0 && api.has("Pod/victim") {
					before = time.Since(start) - 10*30*time.Second
				}
			}
		}
		if before <= 0 || before > 3*time.Second {
			t.Errorf("the event of the other pod took %v", before)
		}
		if got := api.seriesOf("Pod/victim"); got < 4 {
			t.Errorf("the event of the other pod was refreshed %d times in two hours", got-1)
		}
		if agent.Omitted() == 0 || api.count(omittedReason) != 1 {
			t.Errorf("%d findings are omitted, and %d events say so", agent.Omitted(), api.count(omittedReason))
		}
	})
}

// seriesOf returns how often the Event about this was seen.
func (a *apiServer) seriesOf(about string) int {
	for _, line := range a.lines() {
		if strings.Contains(line, about) {
			n, _ := strconv.Atoi(line[strings.LastIndex(line, "×")+len("×"):])
			return n
		}
	}
	return 0
}

// has reports whether there is an Event about this.
func (a *apiServer) has(about string) bool {
	for _, line := range a.lines() {
		if strings.Contains(line, about) {
			return true
		}
	}
	return false
}

// TestRuleIsGone has a rule that makes a declared finding a Warning, until there is no such rule:
// the Event has ended, and is not refreshed.
func TestRuleIsGone(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		declared := inPod("web", "a", []nsinspect.Kind{nsinspect.Net}, inHostNet(11, "sh"))
		agent.Publish(agent.tracker.Next(ruled(audit.Ruling{Rule: "r"}, audit.High, declared)))
		time.Sleep(time.Hour)
		if got := api.count("HostNetworkShared"); got != 1 {
			t.Fatalf("%d events by the rule, want 1", got)
		}
		for range 8 {
			agent.see(declared)
			time.Sleep(30 * time.Minute)
		}
		if got := api.count("HostNetworkSharedEnded"); got != 1 {
			t.Errorf("%d events say that it has ended, want 1", got)
		}
		if got := api.seriesOf("HostNetworkShared ×"); got > 3 {
			t.Errorf("it was refreshed %d times, the last of them without the rule", got-1)
		}
		if got := agent.Pending(); got != 0 {
			t.Errorf("%d are pending", got)
		}
	})
}

// TestSeriesWithoutEnd has an Event of the agent's name that counts more than an agent sends: it
// can't be continued, so the Warning goes to the node.
func TestSeriesWithoutEnd(t *testing.T) {
	t.Parallel()
	api, client := serve(t)
	node := nodeOf(hostNet("a"))
	taken := eventsOf(node, Warnings)[0]
	object := taken.object(*taken.pod, nodeName, time.Now().Add(-time.Hour))
	object.Series = &eventsv1.EventSeries{Count: math.MaxInt32, LastObservedTime: metav1.NowMicro()}
	api.put(*object)
	agent := newAgent(t, client)
	agent.run(t)
	agent.Publish(node)
	agent.wantEvents(t, api, fmt.Sprintf("apps Pod/web UndeclaredHostNetwork ×%d", math.MaxInt32), "default Node/node-1 UndeclaredHostNetwork ×1")
}
