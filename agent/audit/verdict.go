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
	// Unlisted: a container listens on a port of the host's network, which its pod or spec
	// declares, and the port is not among those that the pod lists. The API says of a
	// container's ports that leaving one out does not prevent it from being exposed.
	Unlisted Verdict = "Unlisted"
	// Undeclared: nobody is known to have declared it.
	Undeclared Verdict = "Undeclared"
	// NotInEffect: it was declared, and is not so.
	NotInEffect Verdict = "NotInEffect"
	// Shadows: a forward to the container takes the traffic of a listening socket.
	Shadows Verdict = "Shadows"
)

// Verdicts returns all verdicts.
func Verdicts() []Verdict {
	return []Verdict{Shared, Bound, Unlisted, Undeclared, NotInEffect, Shadows}
}

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
