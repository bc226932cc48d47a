// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/policy"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
)

// policies is a policy that the test changes.
type policies struct {
	current atomic.Pointer[policy.Policy]
	changed chan struct{}
}

func (p *policies) Current() *policy.Policy  { return p.current.Load() }
func (p *policies) Changed() <-chan struct{} { return p.changed }

// set puts a policy with a rule in force.
func (p *policies) set(t *testing.T, rule string) {
	t.Helper()
	parsed, err := policy.Parse([]byte("apiVersion: nsaudit.io/v1alpha1\nkind: Policy\nrules:\n" + rule))
	scantest.Must(t, err)
	p.current.Store(parsed)
	p.changed <- struct{}{}
}

// recorder is a sink that words what it is given.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorder) Publish(result *audit.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := fmt.Sprintf("%d began, %d ended", len(result.Began), len(result.Ended))
	for i := range result.Findings {
		if f := &result.Findings[i]; f.Ruling != nil {
			line += fmt.Sprintf(", %s: %s %v", f.Ruling.Rule, f.Severity, f.Expected())
		}
	}
	r.lines = append(r.lines, line)
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := slices.Clone(r.lines)
	r.lines = nil
	return lines
}

// TestAgentFollowsThePolicy changes the policy between two scans: what is known is judged again
// at once, without another look at the node.
func TestAgentFollowsThePolicy(t *testing.T) {
	t.Parallel()
	fs := scantest.Procfs(t, map[int]string{42: "/kubepods/" + scantest.HexID("a")})
	synctest.Test(t, func(t *testing.T) {
		w := newObserved(t, newDaemon(scantest.Named("a", inventory.Running, 42)), fs, 1)
		rules, sink := &policies{changed: make(chan struct{})}, new(recorder)
		rules.current.Store(policy.Empty())
		w.agent.config.Policies, w.agent.config.Sinks = rules, []Sink{sink}
		w.start(t)
		w.count(t, fullScan)
		sink.take()

		for _, test := range []struct {
			name, rule string
			want       []string
		}{
			{"a rule that expects it", "- {name: web, reason: r, containers: [a]}\n", []string{"0 began, 1 ended, web: info true"}},
			{"the same rule", "- {name: web, reason: r, containers: [a]}\n", []string{"0 began, 0 ended, web: info true"}},
			{"a rule for its severity", "- {name: raised, reason: r, containers: [a], severity: high}\n", []string{"1 began, 0 ended, raised: high false"}},
			{"another rule", "- {name: other, reason: r, containers: [b]}\n", []string{"0 began, 0 ended"}},
		} {
			rules.set(t, test.rule)
			synctest.Wait()
			check(t, test.name, test.want, sink.take())
		}
		check(t, "scans meanwhile", 0, w.count(t, fullScan)+w.count(t, targetedScan))

		rules.set(t, "- {name: web, reason: r, containers: [a]}\n")
		time.Sleep(time.Minute)
		lines := sink.take()
		check(t, "the last scan", "0 began, 0 ended, web: info true", lines[len(lines)-1])
	})
}

// TestAgentWithoutAResult has a policy that changes before the first scan.
func TestAgentWithoutAResult(t *testing.T) {
	t.Parallel()
	w := newObserved(t, newDaemon(), scantest.Procfs(t, map[int]string{}), 1)
	w.agent.judgeAgain()
	if w.agent.result.Load() != nil {
		t.Error("there is a result of nothing")
	}
}
