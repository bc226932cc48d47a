// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"iter"
	"slices"

	"github.com/nsaudit/nsaudit/agent/audit"
)

// Apply returns the result with its findings ruled: those that a rule matches are expected, or
// have the rule's severity. A finding about several ports that are ruled in different ways
// becomes several findings. A finding about the posture that is given a severity is announced, as
// the others are. The result that was given stays as it is.
func (p *Policy) Apply(result *audit.Result) *audit.Result {
	ruled := *result
	rules := p.all()
	expects := make([]int, len(rules))
	ruled.Findings = make([]audit.Finding, 0, len(result.Findings))
	ruled.Posture = make([]audit.Finding, 0, len(result.Posture))
	for i := range result.Findings {
		for _, part := range p.rule(&result.Findings[i], result) {
			if part.rule != unruled {
				expects[part.rule]++
			}
			ruled.Findings = append(ruled.Findings, part.finding)
		}
	}
	for i := range result.Posture {
		part := p.part(&result.Posture[i], p.first(&result.Posture[i], result))
		into := &ruled.Posture
		if part.rule != unruled {
			expects[part.rule]++
			if p.rules[part.rule].severity != "" {
				into = &ruled.Findings
			}
		}
		*into = append(*into, part.finding)
	}
	audit.Sort(ruled.Findings)
	ruled.Rules = make([]audit.RuleUse, 0, len(rules))
	for i := range rules {
		if ruling := &rules[i].ruling; ruling.Expected {
			ruled.Rules = append(ruled.Rules, audit.RuleUse{Rule: ruling.Rule, Findings: expects[i]})
		}
	}
	return &ruled
}

// unruled is the place of the rule of what no rule matches.
const unruled = -1

// part is a finding, or some ports of one, with the place of its rule.
type part struct {
	rule    int
	finding audit.Finding
}

// rule returns the parts of a finding by their rules.
func (p *Policy) rule(finding *audit.Finding, result *audit.Result) []part {
	ports, ok := finding.Evidence.(*audit.HostPortEvidence)
	if !ok {
		return []part{p.part(finding, p.first(finding, result))}
	}
	places := p.rulePorts(finding, ports, result)
	if !slices.ContainsFunc(places, func(place int) bool { return place != places[0] }) {
		return []part{p.part(finding, places[0])}
	}
	return p.split(finding, ports, places, result.Snapshot.Node)
}

// part returns the finding as a rule says.
func (p *Policy) part(finding *audit.Finding, place int) part {
	ruled := part{place, *finding}
	if place != unruled {
		rule := &p.rules[place]
		ruled.finding.Ruling = &rule.ruling
		if rule.severity != "" {
			ruled.finding.Severity = rule.severity
		}
	}
	return ruled
}

// first returns the place of the first rule that matches a finding without ports.
func (p *Policy) first(finding *audit.Finding, result *audit.Result) int {
	s := newSubject(finding, result.Snapshot)
	for place := range p.candidates(s.pod.Namespace) {
		if rule := &p.rules[place]; len(rule.ports) == 0 && rule.matches(&s) {
			return place
		}
	}
	return unruled
}

// candidates returns the places of the rules that may match a pod of the namespace, in order.
func (p *Policy) candidates(namespace string) iter.Seq[int] {
	if p == nil {
		return func(func(int) bool) {}
	}
	return p.index.candidates(namespace)
}
