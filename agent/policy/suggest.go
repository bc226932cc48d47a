// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/nsaudit/nsaudit/agent/audit"
)

// unedited begins the reason of a rule that was suggested: a person is to replace it.
const unedited = "To be edited"

// Suggestion is the rules that would expect what is declared now.
type Suggestion struct {
	// Text is the rules as a policy. A person reads and edits it before it is used.
	Text []byte
	// Rules counts them, and Left the findings that no rule can name, because a name has
	// characters that no pattern has.
	Rules, Left int
}

// suggestedRule is a rule as it is written.
type suggestedRule struct {
	Name        string             `yaml:"name"`
	Reason      string             `yaml:"reason"`
	Checks      []string           `yaml:"checks,flow"`
	Verdicts    []string           `yaml:"verdicts,flow"`
	DeclaredBy  []string           `yaml:"declaredBy,flow"`
	Namespaces  []string           `yaml:"namespaces,flow,omitempty"`
	Pods        []string           `yaml:"pods,flow,omitempty"`
	PodSelector *suggestedSelector `yaml:"podSelector,omitempty"`
	Containers  []string           `yaml:"containers,flow,omitempty"`
	Images      []string           `yaml:"images,flow,omitempty"`
	Ports       []string           `yaml:"ports,flow,omitempty"`
}

type suggestedSelector struct {
	MatchLabels map[string]string `yaml:"matchLabels,flow"`
}

// Suggest returns the smallest rules that would expect what is declared in the result and what
// no rule of the policy matches: for each workload its checks, verdicts, containers and ports,
// and nothing beyond.
func (p *Policy) Suggest(result *audit.Result) (*Suggestion, error) {
	g := newGrouping(p.Apply(result))
	rules := g.rules(p.names())
	suggestion := &Suggestion{Rules: len(rules), Left: g.left}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# What is declared on node %q and no rule expects yet. Read each rule: keep it if it should be so,\n"+
		"# and say why in its reason; else leave it out.\n", result.Snapshot.Node)
	if g.left > 0 {
		fmt.Fprintf(&b, "# Findings that no rule can name, for a name has characters that patterns have not: %d.\n", g.left)
	}
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err := encoder.Encode(struct {
		APIVersion string          `yaml:"apiVersion"`
		Kind       string          `yaml:"kind"`
		Rules      []suggestedRule `yaml:"rules"`
	}{apiVersion, kind, rules})
	if err != nil {
		return nil, fmt.Errorf("write the rules: %w", err)
	}
	suggestion.Text = b.Bytes()
	return suggestion, nil
}

// names returns the names that a further rule can't have.
func (p *Policy) names() map[string]bool {
	taken := map[string]bool{selfRule: true}
	rules := p.all()
	for i := range rules {
		taken[rules[i].ruling.Rule] = true
	}
	return taken
}

// unusedName returns a name for a rule that no other has, out of what it is about.
func unusedName(about string, taken map[string]bool) string {
	name := strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(about))
	name = strings.Join(strings.FieldsFunc(name, func(c rune) bool { return c == '-' }), "-")
	const room = len("-10000")
	if name = strings.Trim(name[:min(len(name), maxName-room)], "-"); name == "" {
		name = "rule"
	}
	chosen := name
	for n := 2; taken[chosen]; n++ {
		chosen = fmt.Sprintf("%s-%d", name, n)
	}
	taken[chosen] = true
	return chosen
}
