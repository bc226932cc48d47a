// SPDX-License-Identifier: Apache-2.0

package events

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// ruled is a result whose findings a rule of the policy covers.
func ruled(ruling audit.Ruling, severity audit.Severity, containers ...snapshot.Container) *audit.Result {
	result := nodeOf(containers...)
	for i := range result.Findings {
		result.Findings[i].Ruling = &ruling
		if !ruling.Expected {
			result.Findings[i].Severity = severity
		}
	}
	return result
}

func expected(containers ...snapshot.Container) *audit.Result {
	return ruled(audit.Ruling{Rule: "web", Expected: true}, "", containers...)
}

// TestEndedOnce says the end of a finding once, a while after its own Event, and nothing more.
func TestEndedOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		start := time.Now()
		agent.see(hostNet("a"))
		time.Sleep(10 * time.Second)
		agent.see()
		agent.see()
		time.Sleep(49 * time.Second)
		api.want(t, podEvent+"1")
		if agent.Pending() != 1 {
			t.Errorf("%d are pending, want the end", agent.Pending())
		}
		time.Sleep(3 * time.Hour)
		api.want(t, podEvent+"1", podEnded+"1")
		var got []time.Duration
		for _, at := range api.times("create") {
			got = append(got, at.Sub(start))
		}
		if diff := cmp.Diff([]time.Duration{0, restartInterval}, got); diff != "" {
			t.Errorf("creates (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]int{"create": 2}, api.verbs()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		if agent.known() != 0 || agent.Pending() != 0 {
			t.Errorf("%d events are still known, %d pending", agent.known(), agent.Pending())
		}
	})
}

// TestEndedLater has an Event that is older: its end is said at once.
func TestEndedLater(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.see(hostNet("a"))
		time.Sleep(restartInterval)
		agent.see()
		synctest.Wait()
		api.want(t, podEvent+"1", podEnded+"1")
	})
}

// TestBackBeforeEnded has a finding that comes back before its end was said: it has not ended.
func TestBackBeforeEnded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.see(hostNet("a"))
		time.Sleep(10 * time.Second)
		agent.see()
		time.Sleep(10 * time.Second)
		agent.see(hostNet("a"))
		time.Sleep(39 * time.Second)
		api.want(t, podEvent+"1")
		time.Sleep(2 * time.Minute)
		api.want(t, podEvent+"2")
		if agent.Pending() != 0 {
			t.Errorf("%d are pending", agent.Pending())
		}
	})
}

// TestEndedTwice continues the series of both Events, those of an earlier agent too.
func TestEndedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newAPIServer()
		for _, round := range []string{"1", "2", "3"} {
			agent := newAgent(t, clientTo(t, "http://api", api))
			stop := agent.run(t)
			agent.see(hostNet("a"))
			time.Sleep(5 * time.Minute)
			api.want(t, slices.DeleteFunc([]string{podEvent + round, podEnded + string(round[0]-1)}, func(line string) bool { return line == podEnded+"0" })...)
			agent.see()
			time.Sleep(5 * time.Minute)
			api.want(t, podEvent+round, podEnded+round)
			stop()
		}
	})
}

// TestAgentRestartBeforeEnded has a finding that an earlier agent has sent: this one says its end.
func TestAgentRestartBeforeEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newAPIServer()
		for range 3 {
			agent := newAgent(t, clientTo(t, "http://api", api))
			stop := agent.run(t)
			agent.see(hostNet("a"))
			time.Sleep(5 * time.Minute)
			stop()
		}
		api.want(t, podEvent+"3")
		agent := newAgent(t, clientTo(t, "http://api", api))
		agent.run(t)
		agent.see(hostNet("a"))
		time.Sleep(5 * time.Minute)
		agent.see()
		time.Sleep(5 * time.Minute)
		api.want(t, podEvent+"4", podEnded+"1")
	})
}

// TestGoneBeforeDelivered delivers what is over, and then that it is.
func TestGoneBeforeDelivered(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		api.setRefuse(func(request) error { return apierrors.NewInternalError(errors.New("etcd")) })
		agent.see(hostNet("a"))
		time.Sleep(time.Second)
		agent.see()
		time.Sleep(10 * time.Minute)
		if agent.Pending() != 2 {
			t.Fatalf("%d are pending, want both", agent.Pending())
		}
		api.setRefuse(nil)
		time.Sleep(time.Minute)
		api.want(t, podEvent+"1")
		time.Sleep(time.Minute)
		api.want(t, podEvent+"1", podEnded+"1")
	})
}

// TestEndedAgain has reports that go on saying that a finding is expected, while the API server
// takes nothing: the end keeps its time.
func TestEndedAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.see(hostNet("a"))
		agent.Notice("PolicyInvalid", "line 3: bad")
		time.Sleep(10 * time.Minute)
		api.setRefuse(func(request) error { return apierrors.NewServiceUnavailable("starting") })
		ended := time.Now()
		for range 10 {
			agent.Publish(agent.tracker.Next(expected(hostNet("a"))))
			agent.Notice("PolicyInvalid", "")
			time.Sleep(10 * time.Second)
		}
		api.setRefuse(nil)
		time.Sleep(5 * time.Minute)
		api.want(t, podEvent+"1", podEnded+"1", "default Node/node-1 PolicyInvalid ×1", "default Node/node-1 PolicyInvalidEnded ×1")
		for _, event := range api.all() {
			if got := event.EventTime.Time; strings.HasSuffix(event.Reason, endedReason) && !got.Equal(ended.Truncate(time.Microsecond)) {
				t.Errorf("%s at %v, want %v", event.Reason, got, ended)
			}
		}
	})
}

// TestEndedIsNotRefreshed has a refresh that would be due before the end is said.
func TestEndedIsNotRefreshed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.ttl = minTTL
		agent.see(hostNet("a"))
		synctest.Wait()
		agent.see()
		time.Sleep(5 * time.Minute)
		api.want(t, podEvent+"1", podEnded+"1")
	})
}

// TestFlushEnds leaves nothing for later: after it the agent is gone.
func TestFlushEnds(t *testing.T) {
	t.Parallel()
	api, client := serve(t)
	agent := newAgent(t, client)
	agent.see(hostNet("a"))
	agent.see()
	start := time.Now()
	if err := agent.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	api.want(t, podEvent+"1", podEnded+"1")
	if took := time.Since(start); took > restartInterval/2 {
		t.Errorf("took %v", took)
	}
}

// TestUnseen has a container that can't be seen any more: nothing has ended, and the time in the
// Event is when it was seen.
func TestUnseen(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.see(hostNet("a"))
		time.Sleep(10 * time.Minute)
		seen := time.Now()
		agent.see(hostNet("a"))
		for range 10 {
			time.Sleep(time.Minute)
			blind := nodeOf()
			blind.Snapshot.Inventory.Source = inventory.FromCgroups
			agent.Publish(agent.tracker.Next(blind))
		}
		time.Sleep(10 * time.Minute)
		api.want(t, podEvent+"2")
		for _, event := range api.all() {
			if got := event.Series.LastObservedTime.Time; !got.Equal(seen) {
				t.Errorf("last observed %v, want %v", got, seen)
			}
		}
		agent.see()
		time.Sleep(time.Minute)
		api.want(t, podEvent+"2", podEnded+"1")
	})
}

// TestUnseenWithoutNamespace has a container that can't be seen any more, and whose namespace is
// deleted: that is no proof that it is gone.
func TestUnseenWithoutNamespace(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.see(hostNet("a"))
		synctest.Wait()
		blind := nodeOf()
		blind.Snapshot.Inventory.Source = inventory.FromCgroups
		agent.Publish(agent.tracker.Next(blind))
		api.expire()
		missing := apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "apps")
		api.setRefuse(func(r request) error {
			if r.Namespace == "apps" && r.Verb == "create" {
				return missing
			}
			return nil
		})
		time.Sleep(DefaultTTL / 2)
		api.want(t, "default Node/node-1 UndeclaredHostNetwork ×1")
	})
}

// TestExpectedNow has a finding that a rule of the policy covers from now on.
func TestExpectedNow(t *testing.T) {
	t.Parallel()
	tests := map[string]*audit.Result{
		"expected": expected(hostNet("a")),
		"lowered":  ruled(audit.Ruling{Rule: "web"}, audit.Low, hostNet("a")),
	}
	for name, next := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
				t.Helper()
				agent.see(hostNet("a"))
				time.Sleep(5 * time.Minute)
				for range 3 {
					agent.Publish(agent.tracker.Next(next))
					time.Sleep(5 * time.Minute)
				}
				api.want(t, podEvent+"1", podEnded+"1")
				for _, event := range api.all() {
					if strings.HasSuffix(event.Reason, "Ended") && !strings.Contains(event.Note, "UndeclaredHostNetwork is covered by rule web of the policy now: it shares") {
						t.Errorf("the note is %s", event.Note)
					}
				}
				if agent.known() != 0 {
					t.Errorf("%d events are known", agent.known())
				}
				agent.see(hostNet("a"))
				time.Sleep(5 * time.Minute)
				agent.see()
				time.Sleep(5 * time.Minute)
				// Without the rule, and then without the finding, which is an end with another note.
				api.want(t, podEvent+"2", podEnded+"1", podEnded+"1")
			})
		})
	}
}

// TestLoweredInModeAll has a rule that lowers a finding's severity where what does not warn has
// an Event too: the Warning has ended, and the finding goes on as another Event.
func TestLoweredInModeAll(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.mode = All
		agent.see(hostNet("a"))
		time.Sleep(5 * time.Minute)
		for range 60 {
			agent.Publish(agent.tracker.Next(ruled(audit.Ruling{Rule: "web"}, audit.Low, hostNet("a"))))
			time.Sleep(time.Minute)
		}
		api.want(t, podEvent+"1", podEvent+"1", podEnded+"1")
		agent.see()
		time.Sleep(5 * time.Minute)
		api.want(t, podEvent+"1", podEvent+"1", podEnded+"1", podEnded+"1")
	})
}

// TestSeverityInEvent has a rule that makes a finding worse: its Event says so when it is
// refreshed.
func TestSeverityInEvent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.see(hostNet("a"))
		time.Sleep(5 * time.Minute)
		agent.Publish(agent.tracker.Next(ruled(audit.Ruling{Rule: "web"}, audit.Critical, hostNet("a"))))
		time.Sleep(DefaultTTL / 2)
		api.want(t, podEvent+"2")
		for _, event := range api.all() {
			if got := event.Annotations[severityAnnotation]; got != "critical" {
				t.Errorf("the severity is %q", got)
			}
		}
	})
}

// TestKnownLess has a finding of which it can't be read any more who declared it: it is less
// severe then, but has not ended.
func TestKnownLess(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.mode = All
		agent.see(hostNet("a"))
		time.Sleep(time.Minute)
		for range 60 {
			less := nodeOf(hostNet("a"))
			less.Findings[0].DeclaredBy, less.Findings[0].Severity = inventory.ByUnknown, audit.Low
			agent.Publish(agent.tracker.Next(less))
			time.Sleep(time.Minute)
		}
		api.want(t, podEvent+"3")
	})
}

// TestOneEventForAFinding has a finding that becomes a Warning.
func TestOneEventForAFinding(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.mode = All
		low := nodeOf(hostNet("a"))
		low.Findings[0].DeclaredBy, low.Findings[0].Severity = inventory.ByUnknown, audit.Low
		agent.Publish(agent.tracker.Next(low))
		time.Sleep(5 * time.Minute)
		agent.see(hostNet("a"))
		time.Sleep(5 * time.Minute)
		if agent.known() != 1 {
			t.Errorf("%d events are known, want one", agent.known())
		}
		agent.see()
		time.Sleep(5 * time.Minute)
		// The first one is of the type Normal, and has not ended: it has become a Warning.
		api.want(t, podEvent+"1", podEvent+"1", podEnded+"1")
		types := make(map[string]int)
		for _, event := range api.all() {
			types[event.Type]++
		}
		if diff := cmp.Diff(map[string]int{"Normal": 2, "Warning": 1}, types); diff != "" {
			t.Errorf("types (-want +got):\n%s", diff)
		}
	})
}

// TestNormalIsNotRefreshed has a declared finding, which is nothing to be reminded of.
func TestNormalIsNotRefreshed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		agent.mode = All
		declared := func(letter string) snapshot.Container {
			c := hostNet(letter)
			c.Pod.UID, c.Declared.By = "uid", inventory.BySpec
			c.Declared.Host = goldenNode().Snapshot.Containers[0].Declared.Host
			return c
		}
		for range 24 * 60 {
			agent.see(declared("a"))
			time.Sleep(time.Minute)
		}
		if diff := cmp.Diff(map[string]int{"create": 1}, api.verbs()); diff != "" {
			t.Errorf("requests in a day (-want +got):\n%s", diff)
		}
		agent.see(declared("b")) // It has restarted.
		synctest.Wait()
		api.want(t, "apps Pod/web HostNetworkShared ×2")
		time.Sleep(time.Minute)
		agent.see()
		time.Sleep(time.Hour)
		api.want(t, "apps Pod/web HostNetworkShared ×2", "apps Pod/web HostNetworkSharedEnded ×1")
	})
}

// TestEndedWithoutEvent has an Event that the API server never took: no other one says that it
// has ended.
func TestEndedWithoutEvent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		api.setRefuse(func(r request) error { return invalid(r.Name, "note", "") })
		agent.see(hostNet("a"))
		synctest.Wait()
		api.setRefuse(nil)
		agent.see()
		time.Sleep(3 * time.Hour)
		api.want(t)
		if agent.known() != 0 {
			t.Errorf("%d events are known", agent.known())
		}
	})
}

// TestEndedIsMoved keeps the end of an Event where the Event is.
func TestEndedIsMoved(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, api *apiServer, agent *agent) {
		t.Helper()
		missing := apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "apps")
		api.setRefuse(func(r request) error {
			if r.Namespace == "apps" {
				return missing
			}
			return nil
		})
		agent.see(hostNet("a"))
		time.Sleep(5 * time.Minute)
		agent.see()
		time.Sleep(5 * time.Minute)
		api.want(t, "default Node/node-1 UndeclaredHostNetwork ×1", "default Node/node-1 UndeclaredHostNetworkEnded ×1")
	})
}

func TestEndedGolden(t *testing.T) {
	t.Parallel()
	var all []any
	for _, result := range []*audit.Result{goldenNode(), ruled(audit.Ruling{Rule: "a\x1b[31m", Expected: true}, "", goldenNode().Snapshot.Containers...)} {
		for i := range result.Findings {
			finding := &result.Findings[i]
			e := newEvent(finding, "Warning", nodeName)
			end := e.ended(finding, finding.Ruling != nil)
			s := newState(end, 1, firstSeen, firstSeen)
			all = append(all, end.object(s.place(), nodeName, firstSeen))
		}
	}
	got, err := yaml.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	reporttest.Golden(t, "testdata/ended.yaml", string(got))
}
