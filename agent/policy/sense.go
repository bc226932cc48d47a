// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
)

// sense refuses rules that are well-formed and can't be meant: those that match nothing, and
// those that match everything.
func (r *reader) sense(parsed *rule, fields map[string]*yaml.Node) {
	kinds := slices.DeleteFunc(audit.Kinds(), func(kind audit.Kind) bool {
		return !parsed.checks.has(kind.Check) || !parsed.verdicts.has(kind.Verdict) || !slices.Contains(parsed.declarers, kind.DeclaredBy)
	})
	idle(r, fields["checks"], "checks", parsed.checks, kinds, func(k audit.Kind) audit.Check { return k.Check })
	idle(r, fields["verdicts"], "verdicts", parsed.verdicts, kinds, func(k audit.Kind) audit.Verdict { return k.Verdict })
	idle(r, fields["declaredBy"], "declaredBy", parsed.declarers, kinds, func(k audit.Kind) inventory.Declarer { return k.DeclaredBy })
	if len(parsed.declarers) == 1 && parsed.declarers[0] == inventory.BySpec && parsed.namesPods() {
		r.wrong(fields["declaredBy"].Line, "declaredBy: spec is that of a container outside pods, which has no namespace, pod or label: choose it by containers or images")
	}
	switch nobody := slices.Contains(parsed.declarers, inventory.ByNobody); {
	case !parsed.namesWho() && !parsed.namesWhat():
		r.wrong(parsed.line, "it covers everything: say whose findings it is about, with namespaces, pods, podSelector, containers or images")
	case !parsed.namesWho() && nobody && !parsed.severity.Warns():
		r.wrong(parsed.line, "it covers what nobody declared, whose it may be: say whose findings it is about, with namespaces, pods, podSelector, containers or images")
	}
}

// idle notes the words of a list that go with nothing else in the rule: no finding has them
// together.
func idle[T ~string](r *reader, node *yaml.Node, key string, written set[T], kinds []audit.Kind, of func(audit.Kind) T) {
	if node == nil {
		return
	}
	for _, word := range written {
		if slices.ContainsFunc(kinds, func(kind audit.Kind) bool { return of(kind) == word }) {
			continue
		}
		remedy := "leave it out, or see the table of verdicts"
		if string(word) == string(audit.Undeclared) {
			remedy = "what is undeclared needs declaredBy: [nobody]"
		}
		r.wrong(node.Line, "%s: %s goes with nothing else in the rule: %s", key, word, remedy)
	}
}

// namesPods reports whether the rule is about pods only.
func (r *rule) namesPods() bool {
	return len(r.namespaces)+len(r.pods) > 0 || r.selector != nil
}

// namesWho reports whether the rule says whose findings it is about.
func (r *rule) namesWho() bool {
	return r.podUID != "" || r.namespaces.restrict() || r.pods.restrict() || r.containers.restrict() || r.images.restrict() ||
		slices.ContainsFunc(r.requirements(), func(q labels.Requirement) bool {
			return q.Operator() != selection.NotIn && q.Operator() != selection.DoesNotExist
		})
}

// namesWhat reports whether the rule says which findings it is about, of those with its
// declarers.
func (r *rule) namesWhat() bool {
	return len(r.ports) > 0 || slices.ContainsFunc(audit.Kinds(), func(kind audit.Kind) bool {
		about := r.checks.has(kind.Check) && r.verdicts.has(kind.Verdict)
		return slices.Contains(r.declarers, kind.DeclaredBy) && !about
	})
}

func (r *rule) requirements() labels.Requirements {
	if r.selector == nil {
		return nil
	}
	requirements, _ := r.selector.Requirements()
	return requirements
}
