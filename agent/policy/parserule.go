// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
)

// what reads which findings a rule is about.
func (r *reader) what(parsed *rule, fields map[string]*yaml.Node) {
	parsed.checks = someOf(r, fields, "checks", audit.Checks())
	parsed.verdicts = someOf(r, fields, "verdicts", audit.Verdicts())
	parsed.declarers = set[inventory.Declarer]{inventory.ByPod, inventory.BySpec}
	if fields["namespaces"] != nil || fields["pods"] != nil || fields["podSelector"] != nil {
		parsed.declarers = set[inventory.Declarer]{inventory.ByPod} // A spec is that of a container outside pods.
	}
	if node := fields["declaredBy"]; node != nil {
		parsed.declarers = someOf(r, fields, "declaredBy", []inventory.Declarer{inventory.ByPod, inventory.BySpec, inventory.ByNobody})
	}
	if node := fields["ports"]; node != nil {
		for _, text := range r.texts(node, "ports").texts {
			ports, err := parsePorts(text)
			if err != nil {
				r.wrong(node.Line, "ports: %q: %v", short(text), err)
			}
			parsed.ports = append(parsed.ports, ports)
		}
		if !parsed.checks.has(audit.HostPort) {
			r.wrong(node.Line, "ports: only findings of %s have ports: leave them out, or make a rule of its own for them", audit.HostPort)
		}
		parsed.checks = set[audit.Check]{audit.HostPort}
	}
}

// someOf reads a list of some of the words that there are.
func someOf[T ~string](r *reader, fields map[string]*yaml.Node, key string, all []T) set[T] {
	node := fields[key]
	if node == nil {
		return nil
	}
	var found set[T]
	for _, text := range r.texts(node, key).texts {
		switch word := T(text); {
		case text == string(inventory.ByUnknown) && key == "declaredBy":
			r.wrong(node.Line, "declaredBy: unknown: what could not be read is never expected")
		case !slices.Contains(all, word):
			r.wrong(node.Line, "%s: %q is none of %s", key, short(text), list(all))
		case !slices.Contains(found, word):
			found = append(found, word)
		}
	}
	return found
}

// who reads which containers a rule is about.
func (r *reader) who(parsed *rule, fields map[string]*yaml.Node) {
	parsed.namespaces = r.patterns(fields, "namespaces")
	parsed.pods = r.patterns(fields, "pods")
	parsed.containers = r.patterns(fields, "containers")
	parsed.images = r.patterns(fields, "images")
	parsed.nodes = r.patterns(fields, "nodes")
	if node := fields["podSelector"]; node != nil {
		parsed.selector = r.selector(node)
	}
}

func (r *reader) patterns(fields map[string]*yaml.Node, key string) patterns {
	node := fields[key]
	if node == nil {
		return nil
	}
	var parsed patterns
	for _, text := range r.texts(node, key).texts {
		p, err := parsePattern(text)
		if err != nil {
			r.wrong(node.Line, "%s: %q: %v", key, short(text), err)
			continue
		}
		parsed = append(parsed, p)
	}
	return parsed
}

// selector reads a selector of labels, in Kubernetes' own form.
func (r *reader) selector(node *yaml.Node) labels.Selector {
	const key = "podSelector"
	before := len(r.found)
	fields := r.fields(node, []string{"matchLabels", "matchExpressions"})
	var form metav1.LabelSelector
	if match := fields["matchLabels"]; match != nil {
		form.MatchLabels = r.labels(match)
	}
	if match := fields["matchExpressions"]; match != nil {
		for _, item := range r.items(match, key+".matchExpressions") {
			form.MatchExpressions = append(form.MatchExpressions, r.requirement(item))
		}
	}
	if len(r.found) > before {
		return nil
	}
	if len(form.MatchLabels)+len(form.MatchExpressions) == 0 {
		r.wrong(node.Line, "%s is empty: give it labels, or leave it out", key)
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(&form)
	if err != nil {
		r.wrong(node.Line, "%s: %v", key, err)
	}
	return selector
}

// labels reads labels and their values, which may be empty.
func (r *reader) labels(node *yaml.Node) map[string]string {
	found := make(map[string]string)
	if !r.plain(node) {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		r.wrong(node.Line, "podSelector.matchLabels: want labels with values, such as app: web")
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		label, text := node.Content[i], node.Content[i+1]
		switch _, twice := found[label.Value]; {
		case twice:
			r.wrong(label.Line, "podSelector.matchLabels: %q is there twice: leave one out", short(label.Value))
		case text.Kind != yaml.ScalarNode || text.Tag == null:
			r.wrong(text.Line, "podSelector.matchLabels: %q: want a single value", short(label.Value))
		}
		found[label.Value] = text.Value
	}
	return found
}

func (r *reader) requirement(node *yaml.Node) metav1.LabelSelectorRequirement {
	var form metav1.LabelSelectorRequirement
	fields := r.fields(node, []string{"key", "operator", "values"})
	if key := fields["key"]; key != nil {
		form.Key = r.text(key, "key")
	}
	if operator := fields["operator"]; operator != nil {
		form.Operator = metav1.LabelSelectorOperator(r.text(operator, "operator"))
	}
	if values := fields["values"]; values != nil {
		form.Values = r.texts(values, "values").texts
	}
	return form
}

// effect reads what a rule does, and until when.
func (r *reader) effect(parsed *rule, fields map[string]*yaml.Node) {
	if node := fields["severity"]; node != nil {
		text := r.text(node, "severity")
		parsed.severity = audit.Severity(text)
		if text != "" && !slices.Contains(audit.Severities(), parsed.severity) {
			r.wrong(node.Line, "severity: %q is none of %s", short(text), list(audit.Severities()))
		}
	}
	parsed.ruling.Expected = parsed.severity == ""
	if node := fields["expires"]; node != nil {
		text := r.text(node, "expires")
		day, err := time.Parse(time.DateOnly, text)
		if text != "" && (err != nil || day.Year() < firstYear) {
			r.wrong(node.Line, "expires: %q: want the last day that the rule holds, such as 2027-01-31", short(text))
		}
		parsed.end = day.AddDate(0, 0, 1)
	}
}
