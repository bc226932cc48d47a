// SPDX-License-Identifier: Apache-2.0

package audit

import "github.com/nsaudit/nsaudit/agent/inventory"

// Verdict is the answer of a check that fired.
type Verdict string

// The verdicts.
const (
	// Shared: the container is in the host's namespace, as was declared.
	Shared Verdict = "Shared"
	// Bound: a port of the host leads to the container, as was declared.
	Bound Verdict = "Bound"
	// Undeclared: nobody is known to have asked for it.
	Undeclared Verdict = "Undeclared"
	// NotInEffect: it was declared, and is not so.
	NotInEffect Verdict = "NotInEffect"
	// Shadows: a forward to the container takes the traffic of a listener of the host.
	Shadows Verdict = "Shadows"
)

// reason names the verdict of a check.
func (v Verdict) reason(check Check) string {
	switch v {
	case Undeclared:
		return "Undeclared" + string(check)
	case Shadows:
		return string(check) + "ShadowsListener"
	default:
		return string(check) + string(v)
	}
}

// Severity is how bad a verdict is.
type Severity string

// The severities, the worst first.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
	Info     Severity = "info"
)

// Warns reports whether people should act on it: a Warning and not a Normal Event, a warning
// in the log, red in the table.
func (s Severity) Warns() bool { return s == Critical || s == High || s == Medium }

// severityOf decides how bad a verdict is.
func severityOf(check Check, verdict Verdict, by inventory.Declarer) Severity {
	switch {
	case verdict == Undeclared && check == HostPID:
		return Critical // Whatever runs there can read and stop all that runs on the node.
	case verdict == Undeclared && check == HostPort:
		return Medium
	case verdict == Undeclared, verdict == Shadows:
		return High
	case verdict == NotInEffect, !by.Declared():
		return Medium
	case verdict == Bound:
		return Info
	default:
		return Low
	}
}
