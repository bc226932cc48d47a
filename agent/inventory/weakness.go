// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"slices"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// Weakness is a set of ways in which a thread is weaker than the runtime was told to make it.
type Weakness uint8

// The ways. MoreCapabilities, NewPrivileges and NoFilter can't come about by what the container's
// own processes do: there, a thread and its children can only get tighter. The others can, by
// files that give whoever executes them another user, another group or capabilities (setuid and
// setgid: inode(7); capabilities(7)).
const (
	// IsRoot: one of its user ids is root, of the container or of the host, and the spec's is not.
	IsRoot Weakness = 1 << iota
	// OtherUser: none of its user ids is the spec's, nor root.
	OtherUser
	// MoreCapabilities: it has, or may get, capabilities that the spec does not list.
	MoreCapabilities
	// GainsPrivileges: the spec's user is not root, nor is the thread's, which holds capabilities
	// that the spec lists but that such a user is not given.
	GainsPrivileges
	// NewPrivileges: executing a program may give it more than it has.
	NewPrivileges
	// NoFilter: no seccomp filter restricts its system calls.
	NoFilter
	// OtherGroups: it has groups that the spec does not list, and that it could not take itself.
	OtherGroups
)

// AnyWeakness is every way.
const AnyWeakness = IsRoot | OtherUser | MoreCapabilities | GainsPrivileges | NewPrivileges | NoFilter | OtherGroups

// Has reports whether all of some ways are in the set.
func (w Weakness) Has(ways Weakness) bool { return w&ways == ways }

// Weaker compares the credentials of a thread with the spec. Nested says that the thread is in a
// user namespace below the container's, or may be: capabilities mean nothing outside of it, and
// its users and groups may be any of those that the container's user was lent (subuid(5)). What the kernel
// did not show is not compared.
func (s *SecuritySpec) Weaker(credentials *nsinspect.Credentials, nested bool) Weakness {
	found := s.otherUser(credentials, nested)
	if !nested {
		found |= s.capabilities(credentials)
		if len(s.MoreGroups(credentials)) > 0 {
			found |= OtherGroups
		}
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
func (s *SecuritySpec) otherUser(credentials *nsinspect.Credentials, nested bool) Weakness {
	uids := credentials.UIDs
	if s.IsRoot(credentials) {
		root, rooted := s.Outside(0)
		if s.UID != 0 || rooted && root != 0 && uids.Has(0) {
			return IsRoot
		}
		return 0
	}
	user, ok := s.Outside(s.UID)
	// The overflow id may stand for any that the reader's user namespace does not have.
	if s.UID == 0 || !ok || nested || uids.Has(user) || uids.Has(nsinspect.OverflowID) {
		return 0
	}
	return OtherUser
}

// capabilities compares the capabilities.
func (s *SecuritySpec) capabilities(credentials *nsinspect.Credentials) Weakness {
	var found Weakness
	if s.More(credentials) != 0 {
		found |= MoreCapabilities
	}
	// The kernel gives a user other than root the ambient capabilities only, whatever else the
	// spec lists: the rest of it is what a program may add.
	gained := (credentials.Permitted & s.Holds()).Without(s.Ambient)
	_, rooted := s.Outside(0)
	if s.UID != 0 && rooted && !s.IsRoot(credentials) && gained != 0 {
		found |= GainsPrivileges
	}
	return found
}

// More returns the capabilities that a thread has, or may get, and that the spec does not list.
// Those that this program does not know by name are left out, as they are of the spec.
func (s *SecuritySpec) More(credentials *nsinspect.Credentials) nsinspect.Capabilities {
	return credentials.Holds().Without(s.Holds()) & nsinspect.KnownCapabilities()
}

// Holds returns the capabilities that are in any of the spec's sets.
func (s *SecuritySpec) Holds() nsinspect.Capabilities {
	return s.Bounding | s.Effective | s.Permitted | s.Inheritable | s.Ambient
}

// IsRoot reports whether any user id of a thread is root: the host's, or the container's if that is
// known.
func (s *SecuritySpec) IsRoot(credentials *nsinspect.Credentials) bool {
	root, rooted := s.Outside(0)
	return credentials.UIDs.Has(0) || rooted && credentials.UIDs.Has(root)
}

// Outside returns what a user of the container is on the host: false where that is not known, as
// in a user namespace that the spec joins without its maps, and of an id that is not mapped.
func (s *SecuritySpec) Outside(id uint32) (uint32, bool) { return s.outside(s.Users.UIDs, id) }

// OutsideGroup returns the same of a group.
func (s *SecuritySpec) OutsideGroup(id uint32) (uint32, bool) { return s.outside(s.Users.GIDs, id) }

func (s *SecuritySpec) outside(ids nsinspect.IDMap, id uint32) (uint32, bool) {
	if len(ids) > 0 {
		return ids.Outside(id)
	}
	return id, slices.Contains(s.Host, nsinspect.User)
}
