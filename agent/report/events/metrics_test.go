// SPDX-License-Identifier: Apache-2.0

package events

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/nsaudit/nsaudit/agent/snapshot"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	_, client := serve(t)
	agent := newAgent(t, client)
	agent.limit = 2
	compare := func(want string) {
		t.Helper()
		if err := testutil.GatherAndCompare(agent.registry, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	}
	const zero = `# HELP nsaudit_events_omitted Findings without a Kubernetes Event: beyond the cap of Events that the agent keeps.
# TYPE nsaudit_events_omitted gauge
nsaudit_events_omitted 0
# HELP nsaudit_events_pending Kubernetes Events that the API server has not taken yet.
# TYPE nsaudit_events_pending gauge
nsaudit_events_pending 0
# HELP nsaudit_events_total Kubernetes Events, by what became of them.
# TYPE nsaudit_events_total counter
nsaudit_events_total{result="created"} 0
nsaudit_events_total{result="dropped"} 0
nsaudit_events_total{result="failed"} 0
nsaudit_events_total{result="refreshed"} 0
nsaudit_events_total{result="rejected"} 0
`
	compare(zero)
	var many []snapshot.Container
	for _, name := range []string{"a", "b", "c"} {
		many = append(many, bare(name, inHostNet(12, "sh")))
	}
	agent.Publish(nodeOf(many...))
	compare(strings.NewReplacer("omitted 0", "omitted 1", "pending 0", "pending 3").Replace(zero))
	if err := agent.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	compare(strings.NewReplacer("omitted 0", "omitted 1", `created"} 0`, `created"} 3`).Replace(zero))
	if problems, err := testutil.GatherAndLint(agent.registry); err != nil || len(problems) > 0 {
		t.Errorf("problems %v, error %v", problems, err)
	}
}

// TestRegisteredTwice has a registerer that has these metrics already.
func TestRegisteredTwice(t *testing.T) {
	t.Parallel()
	_, client := serve(t)
	agent := newAgent(t, client)
	_, err := New(Config{Client: client, Node: nodeName, Registerer: agent.registry, Logger: agent.logger})
	if err == nil || !strings.Contains(err.Error(), "register the metrics of events") {
		t.Errorf("error %v", err)
	}
}
