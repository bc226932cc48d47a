// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Caps of a policy. MaxText is what a ConfigMap holds.
const (
	MaxText  = 1 << 20
	maxRules = 10_000
	// firstYear is the first that a rule may expire in: the zero time stands for never.
	firstYear = 2000
	// maxValue is as long as the longest name or image that the agent keeps.
	maxValue  = 512
	maxName   = 63
	maxReason = 256
)

// Parse reads a policy: a YAML document, or several whose rules follow each other. The error is
// an [Error], with everything that is wrong.
func Parse(text []byte) (*Policy, error) {
	r := new(reader)
	if len(text) > MaxText {
		r.add(0, fmt.Sprintf("it has more than %d bytes", MaxText))
		return nil, r.err()
	}
	tops := r.documents(string(text))
	if len(tops) == 0 && len(r.found) == 0 {
		r.add(0, fmt.Sprintf("it is empty: want apiVersion: %s, kind: %s, and rules; rules: [] for none", apiVersion, kind))
	}
	var rules []rule
	seen := make(map[string]int)
	for _, top := range tops {
		rules = append(rules, r.document(top, len(rules), seen)...)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return newPolicy(rules), nil
}

// document returns the rules of a document, which begin after some of other documents. Seen
// has the lines of the rules by their names.
func (r *reader) document(top *yaml.Node, before int, seen map[string]int) []rule {
	if !r.isPolicy(top) {
		return nil
	}
	fields := r.fields(top, []string{"apiVersion", "kind", "rules"})
	list := fields["rules"]
	if list == nil || list.Tag == null || list.Kind == yaml.SequenceNode && len(list.Content) == 0 {
		return nil // No rules: nothing is expected.
	}
	items := r.items(list, "rules")
	if before+len(items) > maxRules {
		r.wrong(list.Line, "there are %d rules: want at most %d", before+len(items), maxRules)
		return nil
	}
	var rules []rule
	for i, item := range items {
		r.about = aboutRule(item, before+i+1)
		rules = append(rules, r.rule(item, seen))
		r.about = ""
	}
	return rules
}

// aboutRule names a rule for problems: by its name, or else by its number.
func aboutRule(node *yaml.Node, number int) string {
	if node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(node.Content); i += 2 {
			if name := node.Content[i+1].Value; node.Content[i].Value == "name" && isName(name) {
				return fmt.Sprintf("rule %q", name)
			}
		}
	}
	return fmt.Sprintf("rule %d", number)
}

// isPolicy reports whether a document is a policy of this version. Of another version or kind
// nothing else is worth a look.
func (r *reader) isPolicy(top *yaml.Node) bool {
	if !r.plain(top) {
		return false
	}
	head := make(map[string]string)
	if top.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(top.Content); i += 2 {
			head[top.Content[i].Value] = top.Content[i+1].Value
		}
	}
	switch is, version := head["kind"], head["apiVersion"]; {
	case is == "ConfigMap":
		r.wrong(top.Line, "kind %q: want %q: a ConfigMap holds a policy as the text of one of its keys, give that text", is, kind)
	case is != kind:
		r.wrong(top.Line, "kind %q: want %q", short(is), kind)
	case version != apiVersion:
		r.wrong(top.Line, "apiVersion %q: this nsaudit reads %q: write the policy in that version, or use the nsaudit that it is for", short(version), apiVersion)
	default:
		return true
	}
	return false
}

// ruleKeys are the keys of a rule.
func ruleKeys() []string {
	return []string{
		"name", "reason", "checks", "verdicts", "declaredBy", "namespaces", "pods", "podSelector",
		"containers", "images", "ports", "nodes", "expires", "severity",
	}
}

// rule reads a rule. What is wrong with it is noted.
func (r *reader) rule(node *yaml.Node, seen map[string]int) rule {
	parsed := rule{line: node.Line}
	before := len(r.found)
	fields := r.fields(node, ruleKeys())
	r.what(&parsed, fields)
	r.who(&parsed, fields)
	r.effect(&parsed, fields)
	sound := len(r.found) == before
	r.name(&parsed, node, fields["name"], seen)
	r.reason(&parsed, node, fields["reason"])
	if sound { // What is left of a wrong rule may look like one for everything.
		r.sense(&parsed, fields)
	}
	return parsed
}

func (r *reader) name(parsed *rule, node, name *yaml.Node, seen map[string]int) {
	if name == nil {
		r.wrong(node.Line, "name is missing: each rule needs one, which reports show")
		return
	}
	text := r.text(name, "name")
	if text == "" {
		return
	}
	if !isName(text) {
		r.wrong(name.Line, "name %q: want at most %d small letters, digits and hyphens, with a letter or digit first and last", short(text), maxName)
		return
	}
	switch line, twice := seen[text]; {
	case twice:
		r.wrong(name.Line, "the name is that of the rule in line %d: choose another", line)
	case text == selfRule:
		r.wrong(name.Line, "the name is that of the built-in rule for the agent's own pod: choose another")
	}
	seen[text] = name.Line
	parsed.ruling.Rule = text
}

func isName(text string) bool {
	const letters, hyphen = "abcdefghijklmnopqrstuvwxyz0123456789", "-"
	return text != "" && len(text) <= maxName && strings.Trim(text, letters+hyphen) == "" && text == strings.Trim(text, hyphen)
}

func (r *reader) reason(parsed *rule, node, reason *yaml.Node) {
	if reason == nil {
		r.wrong(node.Line, "reason is missing: say in a sentence why this is expected")
		return
	}
	text := r.text(reason, "reason")
	switch {
	case len(text) > maxReason:
		r.wrong(reason.Line, "reason has %d bytes: want at most %d", len(text), maxReason)
	case slices.ContainsFunc([]rune(text), notPrintable):
		r.wrong(reason.Line, "reason: want one line of printable text")
	}
	parsed.ruling.Reason = text
}
