// SPDX-License-Identifier: Apache-2.0

package events

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	podEvent = "apps Pod/web UndeclaredHostNetwork ×"
	podEnded = "apps Pod/web UndeclaredHostNetworkEnded ×"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	api, client := serve(t)
	agent := newAgent(t, client)
	agent.run(t)
	start := time.Now()
	agent.Publish(nodeOf(hostNet("a"), bare("b", inHostNet(12, "sh"))))
	agent.wantEvents(t, api, podEvent+"1", "default Node/node-1 UndeclaredHostNetwork ×1")
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v", took)
	}
	if diff := cmp.Diff(map[Result]int{Created: 2}, agent.sentResults()); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if got := agent.logged(); got != "" {
		t.Errorf("logged:\n%s", got)
	}
}

// TestAgentRestart continues the Event of an earlier agent.
func TestAgentRestart(t *testing.T) {
	t.Parallel()
	api, client := serve(t)
	for run := 1; run <= 3; run++ {
		agent := newAgent(t, client)
		stop := agent.run(t)
		agent.Publish(nodeOf(hostNet("a")))
		agent.wantEvents(t, api, fmt.Sprintf("%s%d", podEvent, run))
		stop()
	}
	if diff := cmp.Diff(map[string]int{"create": 3, "patch": 4}, api.verbs()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestExpired makes a new Event where there was one.
func TestExpired(t *testing.T) {
	t.Parallel()
	api, client := serve(t)
	agent := newAgent(t, client)
	agent.ttl = 200 * time.Millisecond
	agent.run(t)
	agent.Publish(nodeOf(hostNet("a")))
	eventually(t, "a refresh", func() bool { return agent.sentResults()[Refreshed] > 0 })
	api.expire()
	eventually(t, "a new event", func() bool { return agent.sentResults()[Created] > 1 })
}

// TestContainerRestart is the same Event's next occurrence.
func TestContainerRestart(t *testing.T) {
	t.Parallel()
	api, client := serve(t)
	agent := newAgent(t, client)
	agent.run(t)
	agent.Publish(nodeOf(hostNet("a")))
	agent.wantEvents(t, api, podEvent+"1")
	agent.Reporter.mu.Lock()
	for _, s := range agent.states {
		s.sent = s.sent.Add(-restartInterval)
	}
	agent.Reporter.mu.Unlock()
	restarted := hostNet("b")
	restarted.Pod.UID = "uid-a"
	agent.Publish(nodeOf(restarted))
	eventually(t, "a second occurrence", func() bool { return agent.sentResults()[Refreshed] == 1 })
	agent.wantEvents(t, api, podEvent+"2")
}
