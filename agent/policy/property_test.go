// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// pieces returns what is ruled, and by which rule with which severity.
func pieces(result *audit.Result) map[string]string {
	all := make(map[string]string)
	for i := range result.Findings {
		f := &result.Findings[i]
		says := string(f.Severity)
		if f.Ruling != nil {
			says += " by " + f.Ruling.Rule
		}
		about := fmt.Sprintf("%s %s %s", f.Container.ID, f.Reason(), f.DeclaredBy)
		if e, ok := f.Evidence.(*audit.HostPortEvidence); ok {
			for k := range e.Ports {
				all[about+" "+rangeOf(&e.Ports[k]).String()] = says
			}
			continue
		}
		all[about] = says + " " + f.ID
	}
	return all
}

// matchedBy returns what a rule matches, asked one by one.
func matchedBy(r *rule, result *audit.Result) []string {
	var all []string
	for i := range result.Findings {
		f := &result.Findings[i]
		s := newSubject(f, result.Snapshot)
		if !r.matches(&s) {
			continue
		}
		about := fmt.Sprintf("%s %s %s", f.Container.ID, f.Reason(), f.DeclaredBy)
		e, ok := f.Evidence.(*audit.HostPortEvidence)
		if !ok && len(r.ports) == 0 {
			all = append(all, about)
		}
		for k := range len(portsOf(e)) {
			if port := rangeOf(&e.Ports[k]); len(r.ports) == 0 || slices.ContainsFunc(r.ports, func(p portRange) bool { return p.covers(port) }) {
				all = append(all, about+" "+port.String())
			}
		}
	}
	return all
}

func portsOf(e *audit.HostPortEvidence) []audit.PortEvidence {
	if e == nil {
		return nil
	}
	return e.Ports
}

// randomRule returns a rule of some parts that match some of the findings.
func randomRule(random *rand.Rand, name string) string {
	parts := []string{"name: " + name, "reason: r"}
	maybe := func(key string, values ...string) {
		if random.IntN(3) > 0 {
			return
		}
		chosen := []string{values[random.IntN(len(values))]}
		if other := values[random.IntN(len(values))]; other != chosen[0] {
			chosen = append(chosen, other)
		}
		parts = append(parts, fmt.Sprintf("%s: [%s]", key, strings.Join(chosen, ", ")))
	}
	maybe("namespaces", "kube-system", "shop", `"k*"`, `"*"`)
	maybe("pods", "kube-proxy-x7", `"*-0"`, "web-0")
	maybe("containers", "main", `"kube-*"`)
	maybe("images", `"*:v1"`, `"registry.example/main*"`)
	maybe("declaredBy", "pod", "spec", "nobody")
	maybe("nodes", node, "worker-2")
	if random.IntN(2) == 0 {
		maybe("ports", "80/TCP", "443/TCP", "1-1000/TCP", "53/UDP", "40000-50000/UDP")
	} else {
		maybe("checks", "HostNetwork", "HostPID", "HostPort")
	}
	if random.IntN(4) == 0 {
		parts = append(parts, "podSelector: {matchLabels: {app: web}}")
	}
	if random.IntN(4) == 0 {
		parts = append(parts, "severity: "+string(audit.Severities()[random.IntN(5)]))
	}
	if random.IntN(6) == 0 {
		parts = append(parts, "expires: 2026-11-22")
	}
	return "- {" + strings.Join(parts, ", ") + "}\n"
}

// randomRules returns rules that make sense.
func randomRules(t *testing.T, seed uint64, n int) string {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 2026))
	var rules strings.Builder
	for i := 0; i < n; {
		rule := randomRule(random, fmt.Sprintf("r%d", i))
		if _, err := Parse([]byte(document(rule))); err == nil {
			rules.WriteString(rule)
			i++
		}
	}
	return rules.String()
}

// many is a node with findings of many kinds.
func many() *audit.Result {
	web := container("shop", "web-0", "main", map[string]string{"app": "web"}, nsinspect.PID, nsinspect.Net)
	web = listening(listening(web, socket.TCP, 80, 8080), socket.UDP, 53, 40001, 40002)
	return judged(kubeProxy(80, 443, 10249), web,
		undeclared(listening(container("shop", "moved-0", "main", nil, nsinspect.Net), socket.TCP, 80)),
		outside(container("", "", "registry", nil, nsinspect.PID)))
}

// TestAddingARule adds a rule to a policy, anywhere in it: what the rule does not match is ruled
// as before.
func TestAddingARule(t *testing.T) {
	t.Parallel()
	result := many()
	random := rand.New(rand.NewPCG(10, 2026))
	rules, tried, matched, kept := []string{}, 0, 0, 0
	for range 4_000 {
		name := fmt.Sprintf("r%d", tried)
		rule := randomRule(random, name)
		alone, err := Parse([]byte(document(rule)))
		if err != nil {
			continue // It makes no sense, such as one that covers everything.
		}
		tried++
		before := pieces(parse(t, strings.Join(rules, "")).Apply(result))
		with := slices.Insert(slices.Clone(rules), random.IntN(len(rules)+1), rule)
		after := pieces(parse(t, strings.Join(with, "")).Apply(result))
		for _, about := range matchedBy(&alone.rules[0], result) {
			matched++
			if now := after[about]; !strings.Contains(now, " by ") {
				t.Fatalf("%s matches %s, which no rule rules: %s", rule, about, now)
			}
			delete(before, about)
			delete(after, about)
		}
		kept += len(before)
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("%sadded to\n%schanges what it does not match (-before +after):\n%s", rule, strings.Join(rules, ""), diff)
		}
		if rules = with; len(rules) > 8 {
			rules = nil
		}
	}
	if tried < 1000 || matched < 1000 || kept < 1000 {
		t.Errorf("%d rules matched %d findings and ports and not %d: too few to show anything", tried, matched, kept)
	}
}
