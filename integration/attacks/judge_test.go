// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// expectation is what is to be said about a container.
type expectation struct {
	// reasons are those of the findings, each of which has to be there; none: nothing is to be said.
	reasons []string
	// cause is that of what is unknown of it.
	cause v1alpha1.Cause
	// once: one scan of several that says so is enough.
	once bool
	// either: the reasons or the cause will do.
	either bool
	// node: it is unknown of the whole node.
	node bool
}

// clean is nothing.
func clean() expectation { return expectation{} }

// finding is a finding in every scan, for each of the reasons.
func finding(reasons ...string) expectation { return expectation{reasons: reasons} }

// unknown is that something of the container is unknown in every scan.
func unknown(cause v1alpha1.Cause) expectation { return expectation{cause: cause} }

// sighting is a finding in one scan of several, also if it is over by then.
func sighting(reasons ...string) expectation { return expectation{reasons: reasons, once: true} }

// noticed is a finding or that it is unknown, in one scan of several.
func noticed(cause v1alpha1.Cause, reasons ...string) expectation {
	return expectation{reasons: reasons, cause: cause, once: true, either: true}
}

func (e expectation) String() string {
	var parts []string
	parts = append(parts, e.reasons...)
	if e.cause != "" {
		what := "unknown (" + string(e.cause) + ")"
		if e.node {
			what += " of the node"
		}
		parts = append(parts, what)
	}
	if len(parts) == 0 {
		return "nothing"
	}
	if e.either {
		return strings.Join(parts, " or ")
	}
	return strings.Join(parts, ", ")
}

// said is what one scan says of one container, or of the node.
type said struct {
	reasons []string
	causes  []v1alpha1.Cause
	details []string // of what is unknown
}

func (s said) nothing() bool { return len(s.reasons) == 0 && len(s.causes) == 0 }

func (s said) String() string {
	parts := slices.Clone(s.reasons)
	for _, detail := range s.details {
		parts = append(parts, "unknown "+detail)
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// beyond is what is said of a scenario's container without what depends on those beside it.
func (s *scenario) beyond(all said) said {
	all.reasons = slices.DeleteFunc(slices.Clone(all.reasons), func(reason string) bool { return slices.Contains(s.also, reason) })
	all.causes = slices.DeleteFunc(slices.Clone(all.causes), func(cause v1alpha1.Cause) bool { return slices.Contains(s.also, string(cause)) })
	return all
}

// met reports whether a scan says all that is expected, and nothing else.
func (e expectation) met(s said) bool {
	reasons := slices.Equal(slices.Sorted(slices.Values(e.reasons)), s.reasons)
	causes := len(s.causes) == 0 && e.cause == "" || len(s.causes) > 0 && !slices.ContainsFunc(s.causes, func(c v1alpha1.Cause) bool { return c != e.cause })
	if e.either {
		return reasons && len(e.reasons) > 0 && (causes || len(s.causes) == 0) || causes && len(s.reasons) == 0
	}
	return reasons && causes
}

// judge reports whether several scans say what is expected.
func (e expectation) judge(all []said) bool {
	if !e.once {
		return !slices.ContainsFunc(all, func(s said) bool { return !e.met(s) })
	}
	// Nothing wrong may be said in the other scans.
	return slices.ContainsFunc(all, e.met) && !slices.ContainsFunc(all, func(s said) bool { return !s.nothing() && !e.met(s) })
}

// accuses reports whether a finding blames the container for something that nobody declared.
func accuses(f v1alpha1.Finding) bool {
	for _, word := range []string{"NotInEffect", "Unlisted", "Shadows", "Held"} {
		if strings.Contains(f.Reason, word) {
			return true
		}
	}
	return !f.DeclaredBy.Declared()
}

// hear sorts what a scan says by the container's ids; what is said of nobody in particular is under "".
func hear(scan *v1alpha1.Scan) map[string]said {
	all := make(map[string]said)
	for _, f := range scan.Findings {
		if accuses(f) {
			s := all[f.Container.ID]
			s.reasons = append(s.reasons, f.Reason)
			slices.Sort(s.reasons)
			all[f.Container.ID] = s
		}
	}
	for _, u := range scan.Coverage.Unknown {
		id := containerOf(scan, u.Container)
		s := all[id]
		s.causes = append(s.causes, u.Cause)
		s.details = append(s.details, fmt.Sprintf("(%s: %s)", u.Cause, u.Reason))
		all[id] = s
	}
	return all
}

// containerOf finds the id of a container that is named for people.
func containerOf(scan *v1alpha1.Scan, name string) string {
	if name == "" {
		return ""
	}
	for i := range scan.Containers {
		c := &scan.Containers[i]
		if (report.Subject{Pod: c.Pod, Container: c.ContainerRef}).String() == name {
			return c.ID
		}
	}
	return name
}
