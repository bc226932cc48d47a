// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Selection is which of the checks, and of their verdicts, are wanted.
type Selection struct{ reasons map[string]bool }

// Words of a selection beside the names of checks and reasons.
const (
	selectDefault = "default"
	selectAll     = "all"
)

// DefaultSelection returns the verdicts that are on unless something else is asked for.
func DefaultSelection() *Selection {
	s := &Selection{reasons: make(map[string]bool)}
	_ = s.apply(selectDefault) // It is a word.
	return s
}

// ParseSelection makes a selection of words: each a check, a reason, "default" or "all", and with
// "-" before it to leave that out. They count from left to right; where the first one leaves
// something out, it is left out of the default.
func ParseSelection(words []string) (*Selection, error) {
	s := &Selection{reasons: make(map[string]bool)}
	if len(words) > 0 && strings.HasPrefix(words[0], "-") {
		s = DefaultSelection()
	}
	var errs []error
	for _, word := range words {
		errs = append(errs, s.apply(strings.TrimSpace(word)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(checks(), s.wants) {
		return nil, errors.New("no check is left")
	}
	return s, nil
}

// apply adds what a word names, or takes it out.
func (s *Selection) apply(word string) error {
	name, out := strings.CutPrefix(word, "-")
	found := false
	for _, check := range checks() {
		for _, verdict := range check.Verdicts() {
			reason := check.Name().Reason(verdict)
			if name == selectAll || name == string(check.Name()) || name == reason || name == selectDefault && !check.Optional(verdict) {
				s.reasons[reason] = !out
				found = true
			}
		}
	}
	if !found {
		return fmt.Errorf("%q is no check and no reason: see docs/checks.md, or use %s or %s", name, selectDefault, selectAll)
	}
	return nil
}

// selected reports whether findings with this reason are wanted.
func (s *Selection) selected(reason string) bool { return s.reasons[reason] }

// wants reports whether any verdict of a check is wanted.
func (s *Selection) wants(check check) bool {
	return slices.ContainsFunc(check.Verdicts(), func(verdict Verdict) bool { return s.selected(check.Name().Reason(verdict)) })
}

// NeedsSecurity reports whether any check of the security context is wanted: a scan need not read
// it otherwise.
func (s *Selection) NeedsSecurity() bool {
	return slices.ContainsFunc(checks(), func(c check) bool {
		switch c.Name() {
		case HostNetwork, HostPID, HostIPC, HostPort:
			return false
		default:
			return s.wants(c)
		}
	})
}
