// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
)

// Policy is a list of rules. It does not change: many may use it at once. The nil Policy has
// no rules.
type Policy struct {
	rules []rule
	index index
}

// rule matches findings that all of its parts match. A part that is empty matches everything.
type rule struct {
	// line is where it begins, for those who read the file.
	line int
	// ruling is what it says of the findings that it matches.
	ruling audit.Ruling
	// severity is what these get; empty if they are expected.
	severity audit.Severity
	// end is when it holds no longer; the zero time for never.
	end time.Time

	checks    set[audit.Check]
	verdicts  set[audit.Verdict]
	declarers set[inventory.Declarer]

	namespaces, pods, containers, images, nodes patterns
	// selector chooses pods by their labels; nil for all.
	selector labels.Selector
	ports    []portRange
	// podUID is the pod of the rule that is built in.
	podUID string
}

// set is a set of words.
type set[T comparable] []T

// has reports whether a word is in the set. The empty set has all.
func (s set[T]) has(word T) bool { return len(s) == 0 || slices.Contains(s, word) }

// newPolicy makes a policy of rules.
func newPolicy(rules []rule) *Policy { return &Policy{rules, newIndex(rules)} }

// Empty returns the policy that has no rules.
func Empty() *Policy { return new(Policy) }

// selfRule is the name of the rule that is built in.
const selfRule = "nsaudit"

// WithSelf returns the policy with a rule before its own that expects what the agent's pod
// declares for the agent: the host's network and ports, and its posture. What no manifest of the
// agent has, such as the host's processes, stays a finding. Names prove nothing: the pod is known
// by its UID. Without one the policy is returned as it is.
func (p *Policy) WithSelf(podUID string) *Policy {
	if podUID == "" {
		return p
	}
	self := rule{
		ruling:    audit.Ruling{Rule: selfRule, Reason: "It is nsaudit itself.", Expected: true},
		podUID:    podUID,
		checks:    set[audit.Check]{audit.HostNetwork, audit.HostPort},
		verdicts:  set[audit.Verdict]{audit.Shared, audit.Bound, audit.Unlisted, audit.Allowed},
		declarers: set[inventory.Declarer]{inventory.ByPod},
	}
	for _, outcome := range audit.Outcomes() {
		if outcome.Posture && !slices.Contains(self.checks, outcome.Check) {
			self.checks = append(self.checks, outcome.Check)
		}
	}
	return newPolicy(slices.Concat([]rule{self}, p.all()))
}

func (p *Policy) all() []rule {
	if p == nil {
		return nil
	}
	return p.rules
}

// Count returns how many rules of the file are in force at a time, and how many have expired.
func (p *Policy) Count(at time.Time) (active, expired int) {
	rules := p.all()
	for i := range rules {
		switch {
		case rules[i].podUID != "":
		case rules[i].holds(at):
			active++
		default:
			expired++
		}
	}
	return active, expired
}

// holds reports whether the rule is in force at a time.
func (r *rule) holds(at time.Time) bool { return r.end.IsZero() || at.Before(r.end) }
