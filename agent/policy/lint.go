// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nsaudit/nsaudit/agent/audit"
)

// Problem is why a rule is better changed.
type Problem struct {
	// Rule is the rule's name, and Line where it begins.
	Rule string
	Line int
	// Text says what is wrong, and the remedy.
	Text string
}

// Lint returns the rules that are better changed at a time: those that cover too much, expect
// what an earlier rule already does, have expired, or were suggested and not edited. Given
// results, also those that match nothing there.
func (p *Policy) Lint(at time.Time, results ...*audit.Result) []Problem {
	used := p.used(results)
	var found []Problem
	rules := p.all()
	for i := range rules {
		rule := &rules[i]
		add := func(text string) { found = append(found, Problem{rule.ruling.Rule, rule.line, text}) }
		if !rule.namesWho() {
			add("too broad: it names no namespace, pod, label, container or image: say whose findings it is about")
		}
		if strings.HasPrefix(rule.ruling.Reason, unedited) {
			add("its reason is to be edited: say why this is expected, or leave the rule out")
		}
		switch by := p.shadow(i, at); {
		case !rule.holds(at):
			add(fmt.Sprintf("expired on %s: leave it out, or give it another date", rule.end.AddDate(0, 0, -1).Format(time.DateOnly)))
		case by != nil:
			add(fmt.Sprintf("shadowed: all that it matches, rule %q in line %d matches first: leave one out, or change their order", by.ruling.Rule, by.line))
		case len(results) > 0 && !used[rule.ruling.Rule]:
			add("unused: it matches nothing here: leave it out, if that is so on all nodes")
		}
	}
	return found
}

// used returns the names of the rules that rule a finding of the results.
func (p *Policy) used(results []*audit.Result) map[string]bool {
	used := make(map[string]bool)
	for _, result := range results {
		ruled := p.Apply(result)
		for _, finding := range slices.Concat(ruled.Findings, ruled.Posture) {
			if finding.Ruling != nil {
				used[finding.Ruling.Rule] = true
			}
		}
	}
	return used
}

// shadow returns the first rule that matches all that a later one does, for at least as long;
// nil for none.
func (p *Policy) shadow(place int, at time.Time) *rule {
	later := &p.rules[place]
	for i := range p.rules[:place] {
		if earlier := &p.rules[i]; earlier.holds(at) && earlier.covers(later) {
			return earlier
		}
	}
	return nil
}

// covers reports whether the rule matches all that another one does. It may do so without that
// this is seen, as when two patterns together match what the other's one does.
func (r *rule) covers(other *rule) bool {
	return r.podUID == "" &&
		(r.end.IsZero() || !other.end.IsZero() && !other.end.After(r.end)) &&
		r.checks.covers(other.checks) && r.verdicts.covers(other.verdicts) && r.declarers.covers(other.declarers) &&
		r.namespaces.covers(other.namespaces) && r.pods.covers(other.pods) && r.containers.covers(other.containers) &&
		r.images.covers(other.images) && r.nodes.covers(other.nodes) &&
		r.coversLabels(other) && r.coversPorts(other)
}

// covers reports whether all words of the other set are in this one.
func (s set[T]) covers(other set[T]) bool {
	if len(s) == 0 {
		return true
	}
	for _, word := range other {
		if !s.has(word) {
			return false
		}
	}
	return len(other) > 0
}

// covers reports whether all that the others match, these match too. A star of the others is
// like any character here: only a star can match it, and then also what it stands for.
func (p patterns) covers(others patterns) bool {
	for i := range others {
		if !p.matches(others[i].text) {
			return false
		}
	}
	return len(others) > 0 || len(p) == 0
}

// coversLabels reports whether each label that the rule asks for, the other asks for as well.
func (r *rule) coversLabels(other *rule) bool {
	asked := make(map[string]bool)
	for _, requirement := range other.requirements() {
		asked[requirement.String()] = true
	}
	for _, requirement := range r.requirements() {
		if !asked[requirement.String()] {
			return false
		}
	}
	return r.selector == nil || len(asked) > 0
}

func (r *rule) coversPorts(other *rule) bool {
	for _, ports := range other.ports {
		if !covered(ports, r.ports) {
			return false
		}
	}
	return len(other.ports) > 0 || len(r.ports) == 0
}
