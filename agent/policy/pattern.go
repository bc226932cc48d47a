// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"strings"
)

// pattern is a text in which each * stands for any run of characters, none included.
type pattern struct {
	text string
	// parts are the texts between the stars; there is one if there is no star.
	parts []string
}

var (
	errWildcard  = errors.New("the only wildcard is *: spell it out, or write two patterns")
	errCharacter = errors.New("it has a character that is not printable, or a space")
)

func parsePattern(text string) (pattern, error) {
	if strings.ContainsAny(text, `?[]{}\`) {
		return pattern{}, errWildcard
	}
	if strings.ContainsFunc(text, func(c rune) bool { return notPrintable(c) || c == ' ' }) {
		return pattern{}, errCharacter
	}
	return pattern{text, strings.Split(text, "*")}, nil
}

// literal reports whether it stands for itself only.
func (p *pattern) literal() bool { return len(p.parts) == 1 }

// all reports whether it matches everything.
func (p *pattern) all() bool { return strings.Trim(p.text, "*") == "" }

// matches reports whether the whole of a text is what the pattern stands for.
func (p *pattern) matches(text string) bool {
	if p.literal() {
		return text == p.text
	}
	last := len(p.parts) - 1
	rest, ok := strings.CutPrefix(text, p.parts[0])
	if !ok {
		return false
	}
	// The first place for each part leaves the most for those that follow.
	for _, part := range p.parts[1:last] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, p.parts[last])
}

// patterns are alternatives. None stands for everything.
type patterns []pattern

// matches reports whether one of them matches, or there is none.
func (p patterns) matches(text string) bool {
	for i := range p {
		if p[i].matches(text) {
			return true
		}
	}
	return len(p) == 0
}

// restrict reports whether there is a text that they do not match.
func (p patterns) restrict() bool {
	for i := range p {
		if p[i].all() {
			return false
		}
	}
	return len(p) > 0
}
