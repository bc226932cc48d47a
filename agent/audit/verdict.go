// SPDX-License-Identifier: Apache-2.0

package audit

// Verdict is the answer of a check that fired.
type Verdict string

// The verdicts.
const (
	// Shared: the container is in the host's namespace, as declared.
	Shared Verdict = "Shared"
	// Bound: a port of the host leads to the container, as declared.
	Bound Verdict = "Bound"
	// Undeclared: nobody is known to have declared it.
	Undeclared Verdict = "Undeclared"
	// NotInEffect: it was declared, and is not so.
	NotInEffect Verdict = "NotInEffect"
	// Shadows: a forward to the container takes the traffic of a listening socket.
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

// Warns reports whether people should act on it: its Event is a Warning.
func (s Severity) Warns() bool { return s == Critical || s == High || s == Medium }
