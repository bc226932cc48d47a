// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error is why a text is no policy: one text for each thing that is wrong, each with its line
// and the remedy.
type Error struct{ Problems []string }

// maxNamed is how many problems an error's text names: it also stands in a log line and an
// Event.
const maxNamed = 3

func (e *Error) Error() string {
	named := e.Problems[:min(len(e.Problems), maxNamed)]
	text := strings.Join(named, "; ")
	if more := len(e.Problems) - len(named); more > 0 {
		text += fmt.Sprintf("; and %d more: see nsaudit policy check", more)
	}
	return text
}

// maxProblems caps the problems that are collected.
const maxProblems = 100

// problems are what is wrong with a text.
type problems struct{ found []string }

// add adds a problem. What others have quoted of the text is made fit to be shown.
func (p *problems) add(line int, text string) {
	if len(p.found) == maxProblems {
		return
	}
	text = strings.Map(func(c rune) rune {
		if notPrintable(c) {
			return unicode.ReplacementChar
		}
		return c
	}, text)
	if line > 0 {
		text = fmt.Sprintf("line %d: %s", line, text)
	}
	p.found = append(p.found, text)
}

func notPrintable(c rune) bool { return !unicode.IsPrint(c) || c == unicode.ReplacementChar }

// err returns the problems as an error, or nil.
func (p *problems) err() error {
	if len(p.found) == 0 {
		return nil
	}
	return &Error{p.found}
}

// maxShown is how much of a wrong text an error repeats.
const maxShown = 64

// short shortens a text for an error, which quotes it.
func short(text string) string {
	if len(text) <= maxShown {
		return text
	}
	end := maxShown
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
