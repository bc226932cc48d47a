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
	// Hijacks: a forward takes a port to the container that another declares.
	Hijacks Verdict = "Hijacks"
	// Allowed: the security context does not restrict the container in this way, and nothing else
	// was declared.
	Allowed Verdict = "Allowed"
	// Gained: a process has more than its container began with, within what was declared.
	Gained Verdict = "Gained"
	// Held: the container has a hold of the host's namespace without being in it, and nobody is known
	// to have declared it.
	Held Verdict = "Held"
	// Overlaps: containers that should be apart share a range of ids.
	Overlaps Verdict = "Overlaps"
)

// Verdicts returns all verdicts.
func Verdicts() []Verdict {
	return []Verdict{Shared, Bound, Unlisted, Undeclared, NotInEffect, Shadows, Hijacks, Allowed, Gained, Held, Overlaps}
}

// Reason names a verdict of the check, such as HostNetworkShared: the reason of its Events.
func (c Check) Reason(verdict Verdict) string {
	switch verdict {
	case Allowed:
		return c.allowed()
	case Undeclared:
		return c.undeclared()
	case Shadows:
		return string(c) + "ShadowsListener"
	case Hijacks:
		return string(c) + "Hijacked"
	case Gained:
		return "PrivilegesGained"
	case Overlaps:
		return "UserRangeShared"
	case Shared, Bound, Unlisted, NotInEffect, Held:
	}
	return string(c) + string(verdict)
}

// allowed names what a check of the security context finds where nothing else was declared.
func (c Check) allowed() string {
	switch c {
	case RootUser:
		return "RunsAsRoot"
	case Groups:
		return "ImplicitGroups"
	case Privileged:
		return "PrivilegedContainer"
	case Capabilities:
		return "CapabilitiesAdded"
	case Seccomp, AppArmor, SELinux:
		return string(c) + "Unconfined"
	case HostRoot:
		return "HostRootEntered"
	case WritableRoot:
		return "RootFilesystemWritable"
	case ProcUnmasked:
		return "ProcUnmasked"
	case HostPath:
		return "HostPathMounted"
	case Devices:
		return "HostDevices"
	case Sysctls:
		return "UnsafeSysctls"
	case Propagation:
		return "SharedPropagation"
	default:
		return string(c) + string(Allowed)
	}
}

// undeclared names what a check finds that differs from what was declared.
func (c Check) undeclared() string {
	switch c {
	case Seccomp, AppArmor, SELinux:
		return "Undeclared" + string(c) + "Unconfined"
	case PodSecurityLevel:
		return "PodSecurityLevelLowered"
	default:
		return "Undeclared" + string(c)
	}
}
