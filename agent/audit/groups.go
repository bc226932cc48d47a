// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
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

// moreGroups collects the threads with groups that the spec does not list, in a way that a second look
// confirmed, and returns the groups.
func (s *subject) moreGroups() (*SecurityEvidence, []uint32) {
	var more []uint32
	seen := make(map[*snapshot.Credentials]bool) // A set may have 65,536 groups, and a thousand processes.
	s.eachWeaker(inventory.OtherGroups, func(_ *snapshot.Process, c *snapshot.Credentials) {
		if !seen[c] {
			seen[c], more = true, append(more, s.spec.MoreGroups(&c.Credentials)...)
		}
	})
	return s.weaker(inventory.OtherGroups), sortedIDs(more)
}

func hasGroup(sorted []uint32, gid uint32) bool {
	_, found := slices.BinarySearch(sorted, gid)
	return found
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
