// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// Severity is how bad a finding is.
type Severity string

// The severities, the worst first.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
	Info     Severity = "info"
)

// Severities returns all severities, the worst first.
func Severities() []Severity { return []Severity{Critical, High, Medium, Low, Info} }

// Warns reports whether people should act on it: its Event is a Warning.
func (s Severity) Warns() bool { return s == Critical || s == High || s == Medium }

// lower returns the next lower severity.
func (s Severity) lower() Severity {
	all := Severities()
	return all[min(slices.Index(all, s)+1, len(all)-1)]
}

// severityOf is the table of severities. What was not declared, or differs from what was, is
// worse than what was asked for. Where the declaration could not be read whole, a finding may
// be undeclared: it is one step less severe than one that is.
func severityOf(check Check, verdict Verdict, by inventory.Declarer) Severity {
	if by != inventory.ByUnknown {
		return severityOfVerdict(check, verdict)
	}
	switch verdict {
	case Shared, Bound, Unlisted:
		verdict = Undeclared
	case Undeclared, NotInEffect, Shadows:
	}
	return severityOfVerdict(check, verdict).lower()
}

func severityOfVerdict(check Check, verdict Verdict) Severity {
	switch verdict {
	case Undeclared:
		switch check {
		case HostPID:
			return Critical // As root, it reaches every process of the host.
		case HostNetwork, HostIPC:
			return High
		case HostPort:
			return Medium
		}
	case Shadows:
		return High // Traffic meant for another process is received.
	case NotInEffect:
		switch check {
		case HostPort:
			return Medium // Something does not work, or another container has the port.
		case HostNetwork, HostPID, HostIPC:
			return Low // The container is more isolated than it asked for.
		}
	case Unlisted:
		return Low
	case Shared, Bound:
		return Info
	}
	return High // A verdict without a row must not be overlooked.
}

// Kind is what findings have in common that are counted together.
type Kind struct {
	Check      Check
	Verdict    Verdict
	DeclaredBy inventory.Declarer
	Severity   Severity
}

// Kinds returns each kind of finding that the checks can give, with the severity of the table.
// A policy may give others.
func Kinds() []Kind {
	var kinds []Kind
	for _, check := range checks() {
		for _, verdict := range check.Verdicts() {
			for _, by := range declarersOf(verdict) {
				kinds = append(kinds, Kind{check.Name(), verdict, by, severityOf(check.Name(), verdict, by)})
			}
		}
	}
	return kinds
}

// declarersOf returns who can be the declarer where a check gives the verdict.
func declarersOf(verdict Verdict) []inventory.Declarer {
	switch verdict {
	case Shared, Bound, Unlisted, NotInEffect:
		return []inventory.Declarer{inventory.ByPod, inventory.BySpec, inventory.ByUnknown}
	case Undeclared:
		return []inventory.Declarer{inventory.ByNobody, inventory.ByUnknown}
	case Shadows:
	}
	return inventory.Declarers()
}
