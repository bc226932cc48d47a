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
	process *nsinspect.Process
	pid     int
	// hostRoot is the host's root directory; zero where it is not known.
	hostRoot nsinspect.FileID
	// before are the ways in which threads looked weaker each time that they were looked at
	// before; nil for a first look.
	before map[int]inventory.Weakness

	// leader is the place of the leader's credentials, and owner its effective user id; -1 where
	// they were not read.
	leader int
	owner  uint32
	groups []threadsAlike
	// atHostRoot counts the threads that have the host's root directory though the leader has
	// not, and hostRootTIDs names the first of them.
	atHostRoot   int
	hostRootTIDs []int
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
	if reading.TID != v.pid {
		v.compareRoot(reading)
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
		v.memory.differs(v.context.container.Key(), thread{v.pid, reading.TID}, v.isWeaker(reading))
	}
	v.add(set, reading.TID)
}

// isWeaker reports whether a thread looks weaker than the runtime was told to make it.
func (v *visit) isWeaker(reading *nsinspect.Reading) bool {
	spec := v.context.container.SecuritySpec()
	return spec != nil && reading.Credentials != nil && spec.Weaker(reading.Credentials, false) != 0
}

// comparesRoots reports whether the root directories of the process and its threads are compared
// with the host's whatever their credentials are.
func (v *visit) comparesRoots() bool {
	container := v.context.container
	return v.depth == Full || v.pid == container.PID || mayHaveHostRoot(&container.Container)
}

// compareRoot compares the root directory of a thread with the host's: unshare(2) with CLONE_FS
// gives it one of its own. It is looked at before and after the leader's, as a runtime's process has
// the host's root directory, with all of its threads, until it has entered a container.
func (v *visit) compareRoot(reading *nsinspect.Reading) {
	if v.hostRoot == (nsinspect.FileID{}) || !v.comparesRoots() && !v.isWeaker(reading) {
		return
	}
	is := func(root nsinspect.FileID, err error) bool { return err == nil && root == v.hostRoot }
	if !is(v.process.ThreadRootDir(reading.TID)) || is(v.process.RootDir()) || !is(v.process.ThreadRootDir(reading.TID)) {
		return
	}
	v.atHostRoot++
	if len(v.hostRootTIDs) < maxTIDs {
		v.hostRootTIDs = append(v.hostRootTIDs, reading.TID)
	}
	// Else a lean scan would look again in 16 scans only, and the finding end meanwhile.
	v.memory.differs(v.context.container.Key(), thread{v.pid, reading.TID}, true)
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
	if v.context.container.SecuritySpec() == nil {
		return 0
	}
	for i := range v.groups {
		group := &v.groups[i]
		ways := v.context.weaker.Of(v.context.container, group.Set, nested)
		group.Unconfirmed = v.context.weaker.Of(v.context.container, group.Set, false) &^ (ways & group.before)
		found |= ways
	}
	return found
}

// weak returns threads that look weaker, with the ways: of each group the first.
func (v *visit) weak(nested bool) map[int]inventory.Weakness {
	found := make(map[int]inventory.Weakness)
	for i := range v.groups {
		group := &v.groups[i]
		ways := v.context.weaker.Of(v.context.container, group.Set, nested)
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
