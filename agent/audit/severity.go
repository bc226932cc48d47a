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
	case Undeclared, Held, NotInEffect, Shadows, Hijacks, Allowed, Gained, Overlaps:
	}
	return severityOfVerdict(check, verdict).lower()
}

func severityOfVerdict(check Check, verdict Verdict) Severity {
	switch verdict {
	case Undeclared:
		return severityOfDrift(check)
	case Held:
		return severityOfDrift(check).lower() // It can be used at any time, and is not yet.
	case Shadows, Hijacks:
		return High // Traffic meant for another process is received.
	case NotInEffect:
		if check == HostPort {
			return Medium // Something does not work, or another container has the port.
		}
		return Low // More isolated than it asked for, or a restriction that never was in effect.
	case Unlisted, Gained, Overlaps:
		return Low
	case Shared, Bound, Allowed:
		return Info
	}
	return High // A verdict without a row must not be overlooked.
}

// severityOfDrift is how bad it is that a container has what nobody declared.
func severityOfDrift(check Check) Severity {
	switch check {
	case HostPID:
		return Critical // As root, it reaches every process of the host.
	case HostMount, HostRoot, Privileged:
		return Critical // It reaches every file of the host.
	case HostNetwork, HostIPC:
		return High
	case RootUser, Capabilities, Seccomp, AppArmor, SELinux, HostUsers, HostPath:
		return High // One of the walls between it and the host is down.
	case HostPort, PrivilegeEscalation, WritableRoot, ProcUnmasked, HostUTS:
		return Medium
	case PodSecurityLevel:
		return Medium // Whatever has lowered it is a finding of its own.
	case User, Groups, HostCgroup:
		return Low
	case Devices, Sysctls, Propagation, UserRanges: // What is there is what the runtime was told.
	}
	return High
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
	return kinds(func(check, Verdict) bool { return true })
}

// AnnouncedKinds returns those of Kinds that are wanted and not about the posture.
func (s *Selection) AnnouncedKinds() []Kind {
	return kinds(func(c check, verdict Verdict) bool {
		return !c.Posture(verdict) && s.selected(c.Name().Reason(verdict))
	})
}

// PostureReasons returns the reasons of the findings about the posture that are wanted.
func (s *Selection) PostureReasons() []string {
	var reasons []string
	for _, outcome := range Outcomes() {
		if reason := outcome.Check.Reason(outcome.Verdict); outcome.Posture && s.selected(reason) {
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

func kinds(want func(check, Verdict) bool) []Kind {
	var kinds []Kind
	for _, check := range checks() {
		for _, verdict := range check.Verdicts() {
			if !want(check, verdict) {
				continue
			}
			for _, by := range check.Declarers(verdict) {
				kinds = append(kinds, Kind{check.Name(), verdict, by, severityOf(check.Name(), verdict, by)})
			}
		}
	}
	return kinds
}
