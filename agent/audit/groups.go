// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// Groups asks which groups a container's threads are in beside those that its pod names, and which
// of these they lack.
const Groups Check = "Groups"

func groups() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     Groups,
			verdicts: []Verdict{Allowed, Undeclared, NotInEffect},
			posture:  []Verdict{Allowed},
		},
		reads: fromCredentials,
		judge: judgeGroups,
	}
}

func judgeGroups(s *subject) []contextVerdict {
	var verdicts []contextVerdict
	lost := new(SecurityEvidence)
	if s.request != nil {
		implicit := s.implicitGroups()
		switch {
		case len(implicit) == 0:
		case s.request.StrictGroups:
			lost.actual(groupTexts(implicit)...)
			lost.declared("supplementalGroupsPolicy Strict")
		default:
			evidence := new(SecurityEvidence)
			evidence.actual(groupTexts(implicit)...)
			evidence.declared(groupTexts(s.request.Groups)...)
			verdicts = append(verdicts, s.allowed(evidence))
		}
		if missing := s.missingGroups(); len(missing) > 0 {
			lost.declared(append(slices.Clone(lost.Declared), groupTexts(missing)...)...)
		}
	}
	if len(lost.Declared) > 0 {
		verdicts = append(verdicts, contextVerdict{NotInEffect, inventory.ByPod, lost})
	}
	if drift, more := s.moreGroups(); drift.found() {
		drift.actual(groupTexts(more)...)
		drift.declared(groupTexts(sortedIDs(append(slices.Clone(s.spec.Groups), s.spec.GID)))...)
		verdicts = append(verdicts, undeclared(drift))
	}
	return verdicts
}

// implicitGroups returns the groups that the runtime has added to those of the pod: those of the
// image's /etc/group.
func (s *subject) implicitGroups() []uint32 {
	var implicit []uint32
	for _, gid := range s.spec.Groups {
		if gid != s.spec.GID && !slices.Contains(s.request.Groups, gid) {
			implicit = append(implicit, gid)
		}
	}
	return sortedIDs(implicit)
}

// missingGroups returns the groups of the pod that no thread is in, once all were seen. Root needs
// none, so a container that has a thread of root lacks none.
func (s *subject) missingGroups() []uint32 {
	isRoot := func(c snapshot.Credentials) bool { return s.spec.IsRoot(&c.Credentials) }
	if len(s.request.Groups) == 0 || !s.seenWhole() || slices.ContainsFunc(s.Credentials, isRoot) {
		return nil
	}
	var missing []uint32
	for _, gid := range s.request.Groups {
		outside, ok := s.spec.OutsideGroup(gid)
		has := func(c snapshot.Credentials) bool { return c.GIDs.Has(outside) || hasGroup(c.Groups, outside) }
		if ok && !slices.ContainsFunc(s.Credentials, has) {
			missing = append(missing, gid)
		}
	}
	return sortedIDs(missing)
}

// moreGroups collects the threads with groups that the spec does not list. Root may take any, so
// only threads count that have the spec's user as each of their ids, and no right to take groups.
func (s *subject) moreGroups() (*SecurityEvidence, []uint32) {
	undeclaredIn := make([][]uint32, len(s.Credentials)) // A set may have 65,536 groups, and a thousand processes.
	user, ok := s.spec.Outside(s.spec.UID)
	if s.spec.UID == 0 || !ok {
		return new(SecurityEvidence), nil
	}
	listed := s.listedGroups()
	for i := range s.Credentials {
		if c := &s.Credentials[i]; allAre(c.UIDs, user) && c.Permitted&capSetGID == 0 {
			undeclaredIn[i] = notListed(c, listed)
		}
	}
	var more []uint32
	evidence := s.evidence(func(process *snapshot.Process, group *snapshot.CredentialGroup, _ *snapshot.Credentials) bool {
		found := undeclaredIn[group.Set]
		if len(found) == 0 || s.isNested(process) {
			return false
		}
		more = append(more, found...)
		return true
	})
	return evidence, sortedIDs(more)
}

// capSetGID is the right to take groups.
const capSetGID nsinspect.Capabilities = 1 << 6

// listedGroups returns the groups of the spec as the host sees them.
func (s *subject) listedGroups() []uint32 {
	var listed []uint32
	for _, gid := range append(slices.Clone(s.spec.Groups), s.spec.GID) {
		if outside, ok := s.spec.OutsideGroup(gid); ok {
			listed = append(listed, outside)
		}
	}
	return sortedIDs(listed)
}

// notListed returns the first groups of a thread that are not among those, which are sorted.
func notListed(c *snapshot.Credentials, listed []uint32) []uint32 {
	var more []uint32
	for _, gid := range append([]uint32{c.GIDs.Real, c.GIDs.Effective, c.GIDs.Saved, c.GIDs.Filesystem}, c.Groups...) {
		if !hasGroup(listed, gid) && gid != nsinspect.OverflowID && !slices.Contains(more, gid) {
			more = append(more, gid)
		}
		if len(more) > maxWords {
			break
		}
	}
	return more
}

func hasGroup(sorted []uint32, gid uint32) bool {
	_, found := slices.BinarySearch(sorted, gid)
	return found
}

func allAre(ids nsinspect.IDs, id uint32) bool {
	return ids.Real == id && ids.Effective == id && ids.Saved == id && ids.Filesystem == id
}

func sortedIDs(ids []uint32) []uint32 {
	slices.Sort(ids)
	return slices.Compact(ids)
}

func groupTexts(ids []uint32) []string {
	var texts []string
	for _, id := range ids {
		texts = append(texts, fmt.Sprintf("gid %d", id))
	}
	return texts
}
