// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"github.com/nsaudit/nsaudit/nsinspect"
)

// Weakness is a set of ways in which a thread is weaker than the runtime was told to make it.
type Weakness uint8

// The ways. All but GainsPrivileges and OtherUser can't come about by what the container's own
// processes do within what the spec gives them: what restricts a thread can only get tighter.
const (
	// IsRoot: one of its user ids is root, of the container or of the host, and the spec's is not.
	IsRoot Weakness = 1 << iota
	// OtherUser: none of its user ids is the spec's, nor root.
	OtherUser
	// MoreCapabilities: it has, or may get, capabilities that the spec does not list.
	MoreCapabilities
	// GainsPrivileges: the spec's user is not root, nor is the thread's, which holds capabilities.
	GainsPrivileges
	// NewPrivileges: executing a program may give it more than it has.
	NewPrivileges
	// NoFilter: no seccomp filter restricts its system calls.
	NoFilter
)

// AnyWeakness is every way.
const AnyWeakness = IsRoot | OtherUser | MoreCapabilities | GainsPrivileges | NewPrivileges | NoFilter

// Has reports whether all of some ways are in the set.
func (w Weakness) Has(ways Weakness) bool { return w&ways == ways }

// Weaker compares the credentials of a thread with the spec. Nested says that the thread is in a
// user namespace below the container's, where capabilities mean nothing outside. What the kernel
// did not show is not compared.
func (s *SecuritySpec) Weaker(credentials *nsinspect.Credentials, nested bool) Weakness {
	found := s.otherUser(credentials)
	if !nested {
		found |= s.capabilities(credentials)
	}
	known := credentials.Known
	if s.NoNewPrivileges && known.Has(nsinspect.FieldNoNewPrivileges) && !credentials.NoNewPrivileges {
		found |= NewPrivileges
	}
	if s.Seccomp && known.Has(nsinspect.FieldSeccomp) && credentials.Seccomp == nsinspect.SeccompDisabled {
		found |= NoFilter
	}
	return found
}

// otherUser compares the user ids.
func (s *SecuritySpec) otherUser(credentials *nsinspect.Credentials) Weakness {
	switch root := s.isRoot(credentials); {
	case root && s.UID != 0, credentials.UIDs.Has(0) && s.hostRoot() != 0:
		return IsRoot
	case s.UID != 0 && !root && !credentials.UIDs.Has(s.outside(s.UID)):
		return OtherUser
	}
	return 0
}

// capabilities compares the capabilities.
func (s *SecuritySpec) capabilities(credentials *nsinspect.Credentials) Weakness {
	var found Weakness
	if credentials.Holds().Without(s.Holds()) != 0 {
		found |= MoreCapabilities
	}
	if s.UID != 0 && !s.isRoot(credentials) && s.Permitted == 0 && credentials.Permitted != 0 {
		found |= GainsPrivileges
	}
	return found
}

// Holds returns the capabilities that are in any of the spec's sets.
func (s *SecuritySpec) Holds() nsinspect.Capabilities {
	return s.Bounding | s.Effective | s.Permitted | s.Inheritable | s.Ambient
}

// isRoot reports whether a thread has the container's root, or the host's, among its user ids.
func (s *SecuritySpec) isRoot(credentials *nsinspect.Credentials) bool {
	return credentials.UIDs.Has(0) || credentials.UIDs.Has(s.hostRoot())
}

// hostRoot returns what the container's root is on the host.
func (s *SecuritySpec) hostRoot() uint32 { return s.outside(0) }

// outside returns what an id of the container is on the host.
func (s *SecuritySpec) outside(id uint32) uint32 {
	if len(s.Users.UIDs) == 0 {
		return id
	}
	outside, ok := s.Users.UIDs.Outside(id)
	if !ok {
		return nsinspect.OverflowID
	}
	return outside
}
