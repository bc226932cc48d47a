// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
)

func TestLint(t *testing.T) {
	t.Parallel()
	const broad = "too broad: it names no namespace, pod, label, container or image: say whose findings it is about"
	const shadowed = `shadowed: all that it matches, rule "a" in line 4 matches first: leave one out, or change their order`
	const unused = "unused: it matches nothing here: leave it out, if that is so on all nodes"
	tests := map[string]struct {
		rules string
		want  []string
	}{
		"good rules": {"- {name: a, reason: r, namespaces: [kube-system], checks: [HostNetwork]}\n- {name: b, reason: r, namespaces: [kube-system], checks: [HostPort]}\n", nil},
		"too broad":  {"- {name: a, reason: r, checks: [HostNetwork]}\n", []string{"a: " + broad}},
		"too broad, with stars and a node": {
			"- {name: a, reason: r, checks: [HostNetwork], namespaces: [\"*\"], nodes: [worker-1]}\n", []string{"a: " + broad},
		},
		"to be edited":             {"- {name: a, reason: 'To be edited: why?', namespaces: [kube-system]}\n", []string{"a: its reason is to be edited: say why this is expected, or leave the rule out"}},
		"expired":                  {"- {name: a, reason: r, namespaces: [kube-system], expires: 2026-11-22}\n", []string{"a: expired on 2026-11-22: leave it out, or give it another date"}},
		"the last day":             {"- {name: a, reason: r, namespaces: [kube-system], expires: 2026-11-23}\n", nil},
		"unused":                   {"- {name: a, reason: r, namespaces: [shop]}\n", []string{"a: " + unused}},
		"shadowed by the same":     {"- {name: a, reason: r, namespaces: [kube-system]}\n- {name: b, reason: r, namespaces: [kube-system]}\n", []string{"b: " + shadowed}},
		"shadowed by a wider one":  {"- {name: a, reason: r, namespaces: [\"kube-*\"]}\n- {name: b, reason: r, namespaces: [kube-system], containers: [kube-proxy], checks: [HostPort]}\n", []string{"b: " + shadowed}},
		"shadowed, with a pattern": {"- {name: a, reason: r, pods: [\"kube-*\"]}\n- {name: b, reason: r, pods: [\"kube-proxy-*\", kube-x]}\n", []string{"b: " + shadowed}},
		"shadowed, whatever a spec declares": {
			"- {name: a, reason: r, namespaces: [kube-system], declaredBy: [pod]}\n- {name: b, reason: r, namespaces: [kube-system]}\n", []string{"b: " + shadowed},
		},
		"shadowed, with labels": {
			"- {name: a, reason: r, podSelector: {matchLabels: {k8s-app: kube-proxy}}}\n- {name: b, reason: r, podSelector: {matchLabels: {k8s-app: kube-proxy, x: y}}}\n",
			[]string{"b: " + shadowed},
		},
		"shadowed, with ports": {"- {name: a, reason: r, pods: [\"*\"], ports: [1-20000/TCP]}\n- {name: b, reason: r, pods: [\"*-x7\"], ports: [10249/TCP]}\n", []string{"a: " + broad, "b: " + shadowed}},
		"not by one that has expired": {
			"- {name: a, reason: r, namespaces: [kube-system], expires: 2026-01-01}\n- {name: b, reason: r, namespaces: [kube-system]}\n",
			[]string{"a: expired on 2026-01-01: leave it out, or give it another date"},
		},
		"not by one that expires": {
			"- {name: a, reason: r, namespaces: [kube-system], checks: [HostPort], expires: 2027-01-01}\n- {name: b, reason: r, namespaces: [kube-system]}\n", nil,
		},
		"not by a narrower one": {"- {name: a, reason: r, namespaces: [kube-system], ports: [10249/TCP]}\n- {name: b, reason: r, namespaces: [kube-system]}\n", nil},
		"not by other labels": {
			"- {name: a, reason: r, checks: [HostPort], podSelector: {matchLabels: {k8s-app: kube-proxy}}}\n- {name: b, reason: r, namespaces: [kube-system]}\n", nil,
		},
		"a star does not cover what has no pod": {
			"- {name: a, reason: r, pods: [\"*\"], namespaces: [kube-system], checks: [HostPort]}\n- {name: b, reason: r, images: [\"*/kube-proxy:v1\"]}\n", nil,
		},
	}
	result := judged(kubeProxy(10249))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := parse(t, test.rules)
			var got []string
			for _, problem := range p.Lint(noon(), result) {
				got = append(got, problem.Rule+": "+problem.Text)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if without := p.Lint(noon()); len(without) > len(got) || strings.Contains(fmt.Sprint(without), "unused") {
				t.Errorf("without a result: %v", without)
			}
		})
	}
}

// TestLintOfThePosture has rules that rule nothing but what is declared and common.
func TestLintOfThePosture(t *testing.T) {
	t.Parallel()
	root := judged(kubeProxy(10249))
	of := root.Findings[0]
	of.Check, of.Verdict, of.Severity, of.Evidence = audit.RootUser, audit.Allowed, audit.Info, new(audit.SecurityEvidence)
	root.Posture = []audit.Finding{of}
	for rule, want := range map[string]int{
		"- {name: a, reason: r, namespaces: [kube-system], checks: [RootUser]}\n":                     0,
		"- {name: a, reason: r, namespaces: [kube-system], checks: [RootUser], severity: medium}\n":   0,
		"- {name: a, reason: r, namespaces: [kube-system], checks: [Seccomp], verdicts: [Allowed]}\n": 1,
	} {
		if problems := parse(t, rule).Lint(noon(), root); len(problems) != want {
			t.Errorf("%s: %v, want %d problems", rule, problems, want)
		}
	}
}

// TestShadowsAreTrue holds what Lint says against what the rules do: a rule that is shadowed
// rules nothing.
func TestShadowsAreTrue(t *testing.T) {
	t.Parallel()
	shadowed := 0
	result := many()
	for seed := range uint64(300) {
		p := parse(t, randomRules(t, seed, 8))
		names := make(map[string]bool)
		for _, problem := range p.Lint(noon()) {
			if strings.HasPrefix(problem.Text, "shadowed") {
				names[problem.Rule] = true
			}
		}
		shadowed += len(names)
		for _, f := range p.Apply(result).Findings {
			if f.Ruling != nil && names[f.Ruling.Rule] {
				t.Fatalf("rule %s is said to be shadowed, and rules %s", f.Ruling.Rule, lines(&audit.Result{Findings: []audit.Finding{f}}))
			}
		}
	}
	if shadowed < 20 {
		t.Errorf("%d rules were shadowed: too few to show anything", shadowed)
	}
}
