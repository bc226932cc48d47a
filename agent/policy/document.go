// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The document that a policy is written in.
const (
	apiVersion = "nsaudit.io/v1alpha1"
	kind       = "Policy"
)

// null is the tag of YAML for a value that is not there.
const null = "!!null"

// value is what stands for a key: a text, or a list of texts, and its line.
type value struct {
	line  int
	texts []string
}

// reader reads YAML documents, and collects what is wrong with them.
type reader struct {
	problems
	// about is what the problems are about: the rule that is read.
	about string
}

// wrong notes a problem at a line.
func (r *reader) wrong(line int, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if r.about != "" {
		text = r.about + ": " + text
	}
	r.add(line, text)
}

// documents returns the top level of each document; comments alone are none.
func (r *reader) documents(text string) []*yaml.Node {
	var tops []*yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		document := new(yaml.Node)
		err := decoder.Decode(document)
		if errors.Is(err, io.EOF) {
			return tops
		}
		if err != nil {
			// The decoder's own errors name the line.
			r.add(0, strings.TrimPrefix(err.Error(), "yaml: "))
			return nil
		}
		if len(document.Content) > 0 && document.Content[0].Tag != null {
			tops = append(tops, document.Content[0])
		}
	}
}

// fields returns the values of a mapping by their keys. Keys that are not among those known, and
// keys that are there twice, are problems.
func (r *reader) fields(node *yaml.Node, known []string) map[string]*yaml.Node {
	fields := make(map[string]*yaml.Node)
	if !r.plain(node) {
		return fields
	}
	if node.Kind != yaml.MappingNode {
		r.wrong(node.Line, "want keys with values, such as %q", known[0]+": ...")
		return fields
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		switch name := key.Value; {
		case key.Kind != yaml.ScalarNode || !slices.Contains(known, name):
			r.wrong(key.Line, "unknown key %q: the keys are %s", short(name), strings.Join(known, ", "))
		case fields[name] != nil:
			r.wrong(key.Line, "%q is there twice, the first time in line %d: leave one out", name, fields[name].Line)
		default:
			fields[name] = node.Content[i+1]
		}
	}
	return fields
}

// plain reports whether a node is written out. A reference to another one, which YAML has
// many forms of, can make a short text endless.
func (r *reader) plain(node *yaml.Node) bool {
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		r.wrong(node.Line, "anchors and aliases of YAML are not supported: write it out")
		return false
	}
	return true
}

// items returns the items of a list. What is empty would be taken for what is not there, and
// that matches everything: it is a problem instead.
func (r *reader) items(node *yaml.Node, key string) []*yaml.Node {
	switch {
	case !r.plain(node):
		return nil
	case len(node.Content) == 0 && (node.Kind == yaml.SequenceNode || node.Tag == null):
		r.wrong(node.Line, "%s is empty: give it a value, or leave it out", key)
	case node.Kind != yaml.SequenceNode:
		r.wrong(node.Line, "%s: want a list, such as %s: [a, b]", key, key)
		return nil
	}
	return node.Content
}

// text returns the value of a key as it is written, so that a date is one and "yes" a word.
func (r *reader) text(node *yaml.Node, key string) string {
	if !r.plain(node) {
		return ""
	}
	text := strings.TrimSpace(node.Value)
	switch {
	case node.Kind != yaml.ScalarNode:
		r.wrong(node.Line, "%s: want a single value", key)
	case text == "":
		r.wrong(node.Line, "%s is empty: give it a value", key)
	case len(text) > maxValue:
		r.wrong(node.Line, "%s has %d bytes: want at most %d", key, len(text), maxValue)
	default:
		return text
	}
	return ""
}

// texts returns the values of a list.
func (r *reader) texts(node *yaml.Node, key string) value {
	list := value{line: node.Line}
	for _, item := range r.items(node, key) {
		if text := r.text(item, key); text != "" {
			list.texts = append(list.texts, text)
		}
	}
	return list
}
