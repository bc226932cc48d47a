// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"errors"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

const (
	// maxTIDs is how many threads a group names.
	maxTIDs = 8
	// maxWeak caps the threads of one process that are looked at twice.
	maxWeak = 64
)

// visit collects the credentials of the threads of one process.
type visit struct {
	context *containerContext
	memory  *contextMemory
	depth   Depth
	pid     int
	// before are the ways in which threads looked weaker each time that they were looked at
	// before; nil for a first look.
	before map[int]inventory.Weakness

	// leader is the place of the leader's credentials, and owner its effective user id; -1 where
	// they were not read.
	leader int
	owner  uint32
	groups []threadsAlike
}

// threadsAlike are threads with the same credentials.
type threadsAlike struct {
	snapshot.CredentialGroup

	// before are the ways of those among them that were looked at before.
	before inventory.Weakness
}

// Affords implements nsinspect.CredentialVisitor.
func (v *visit) Affords() bool { return v.context.affords() }

// Wants implements nsinspect.CredentialVisitor.
func (v *visit) Wants(tid int, owner uint32) bool {
	if v.depth == Full || v.leader < 0 || owner != v.owner {
		return true
	}
	if _, again := v.before[tid]; again {
		return true
	}
	return v.memory.isDue(v.context.container.Key(), thread{v.pid, tid})
}

// Visit implements nsinspect.CredentialVisitor.
func (v *visit) Visit(reading *nsinspect.Reading) {
	if reading.LabelErr != nil {
		v.context.unread(causeOf(reading.LabelErr), oneLine(reading.LabelErr))
	}
	if reading.Err != nil {
		if errors.Is(reading.Err, nsinspect.ErrTooLarge) {
			v.context.charge(hugeStatus)
		}
		v.context.unread(causeOf(reading.Err), oneLine(reading.Err))
		return
	}
	v.context.charge(reading.Size)
	set, ok := v.context.set(reading.Credentials, reading.Label)
	if !ok {
		return
	}
	switch {
	case reading.TID == v.pid:
		v.leader, v.owner = set, reading.Credentials.UIDs.Effective
	case set != v.leader && v.leader >= 0:
		spec := v.context.container.SecuritySpec()
		weaker := spec != nil && spec.Weaker(reading.Credentials, false) != 0
		v.memory.differs(v.context.container.Key(), thread{v.pid, reading.TID}, weaker)
	}
	v.add(set, reading.TID)
}

func (v *visit) add(set, tid int) {
	i := 0
	for i < len(v.groups) && v.groups[i].Set != set {
		i++
	}
	if i == len(v.groups) {
		v.groups = append(v.groups, threadsAlike{CredentialGroup: snapshot.CredentialGroup{Set: set}})
	}
	group := &v.groups[i]
	group.Threads++
	group.before |= v.before[tid]
	if len(group.TIDs) < maxTIDs {
		group.TIDs = append(group.TIDs, tid)
	}
}

// compare compares the credentials with what the runtime was told. What no look before has seen is
// not confirmed, nor is what counts only if the process is not nested.
func (v *visit) compare(nested bool) (found inventory.Weakness) {
	spec := v.context.container.SecuritySpec()
	if spec == nil {
		return 0
	}
	for i := range v.groups {
		group := &v.groups[i]
		credentials := &v.context.container.Credentials[group.Set].Credentials
		ways := spec.Weaker(credentials, nested)
		group.Unconfirmed = spec.Weaker(credentials, false) &^ (ways & group.before)
		found |= ways
	}
	return found
}

// weak returns threads that look weaker, with the ways: of each group the first.
func (v *visit) weak(nested bool) map[int]inventory.Weakness {
	spec := v.context.container.SecuritySpec()
	found := make(map[int]inventory.Weakness)
	for i := range v.groups {
		group := &v.groups[i]
		ways := spec.Weaker(&v.context.container.Credentials[group.Set].Credentials, nested)
		for _, tid := range group.TIDs {
			if ways != 0 && len(found) < maxWeak {
				found[tid] = ways
			}
		}
	}
	return found
}

// credentials returns the groups for a snapshot.
func (v *visit) credentials() []snapshot.CredentialGroup {
	if len(v.groups) == 0 {
		return nil
	}
	groups := make([]snapshot.CredentialGroup, len(v.groups))
	for i := range v.groups {
		groups[i] = v.groups[i].CredentialGroup
	}
	if len(groups) == 1 {
		groups[0].TIDs = nil
	}
	return groups
}
