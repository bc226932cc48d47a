// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"slices"

	"github.com/nsaudit/nsaudit/nsinspect"
)

const (
	// capSetGID is the right to take groups.
	capSetGID nsinspect.Capabilities = 1 << 6
	// maxMoreGroups caps the groups that are returned of one thread.
	maxMoreGroups = 16
)

// MoreGroups returns the first groups of a thread, as the host sees them, that the spec does not list.
// Root may take any, so only a thread counts that has the spec's user as each of its ids, and no right
// to take groups.
func (s *SecuritySpec) MoreGroups(credentials *nsinspect.Credentials) []uint32 {
	user, ok := s.Outside(s.UID)
	_, mapped := s.OutsideGroup(s.GID)
	uids := credentials.UIDs
	own := nsinspect.IDs{Real: user, Effective: user, Saved: user, Filesystem: user}
	if s.UID == 0 || !ok || !mapped || uids != own || credentials.Permitted&capSetGID != 0 {
		return nil
	}
	gids := credentials.GIDs
	listed := s.listedGroups()
	var more []uint32
	for _, gid := range [...]uint32{gids.Real, gids.Effective, gids.Saved, gids.Filesystem} {
		more = appendUnlisted(more, gid, listed)
	}
	for i, gid := range credentials.Groups {
		again := i > 0 && gid == credentials.Groups[i-1] // The kernel sorts them; a thread may have one 65,536 times.
		if !again && len(more) < maxMoreGroups {
			more = appendUnlisted(more, gid, listed)
		}
	}
	return more
}

// listedGroups returns the groups of the spec as the host sees them, sorted.
func (s *SecuritySpec) listedGroups() []uint32 {
	listed := make([]uint32, 0, len(s.Groups)+1)
	for i := range len(s.Groups) + 1 {
		gid := s.GID
		if i < len(s.Groups) {
			gid = s.Groups[i]
		}
		if outside, ok := s.OutsideGroup(gid); ok {
			listed = append(listed, outside)
		}
	}
	slices.Sort(listed)
	return listed
}

// appendUnlisted adds a group that is not listed, and not there yet. The overflow id may stand for any
// that the reader's user namespace does not have.
func appendUnlisted(more []uint32, gid uint32, listed []uint32) []uint32 {
	_, is := slices.BinarySearch(listed, gid)
	if is || gid == nsinspect.OverflowID || slices.Contains(more, gid) {
		return more
	}
	return append(more, gid)
}
