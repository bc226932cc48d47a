// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

// maxAncestors caps the processes above one that are looked at. Who makes a longer chain of processes
// that all have left their cgroup is found by the first of them.
const maxAncestors = 4096

// strays tells whose a process is that is not in its container's cgroup. Leaving it takes what entering
// a namespace of the host takes, CAP_SYS_ADMIN. What can't be left is a PID namespace, to one above it
// (pid_namespaces(7)), and the parent, which another process takes the place of only when it ends: the
// container's init process, or its shim.
//
// The parent decides. An admin's nsenter(1) is in the PID namespace of a container too, as is a
// runtime's exec, before it enters the cgroup: both have a parent that is the host's.
type strays struct {
	node *node
	// host is the host's PID namespace.
	host nsinspect.ID
	// pids and mounts are the containers whose init process is in a PID namespace, or in a mount
	// namespace, that is not the host's.
	pids, mounts map[nsinspect.ID][]inventory.Key
	// inits are the init processes, and shims their parents, as far as they were asked for.
	inits map[inventory.Key]int
	shims map[inventory.Key]int
	// hostPID are the containers in the host's PID namespace, of which only the parents tell.
	hostPID []inventory.Key
	// kin is whose the processes are that were looked at.
	kin map[int]kin
}

// kin is the container that a process descends from, if there is one.
type kin struct {
	key   inventory.Key
	known bool
}

func newStrays(n *node) *strays {
	s := &strays{
		node: n, pids: make(map[nsinspect.ID][]inventory.Key), mounts: make(map[nsinspect.ID][]inventory.Key),
		inits: make(map[inventory.Key]int), shims: make(map[inventory.Key]int), kin: make(map[int]kin),
	}
	s.host, _ = n.ref.Namespaces.Get(nsinspect.PID)
	return s
}

// place takes the init process of a container. Certain says that it is known to be that: it is in the
// container's cgroup. One that is not is taken only if it is in a namespace that is nobody else's: its
// pid may be another's by now.
func (s *strays) place(container *inventory.Container, process *nsinspect.Process, certain bool) {
	if s.host.IsZero() || runtimes.IsSandboxed(container.Runtime) {
		return
	}
	pids, err := process.Namespace(nsinspect.PID)
	if err != nil {
		return
	}
	mounts, _ := process.Namespace(nsinspect.Mnt)
	if host, ok := s.node.ref.Namespaces.Get(nsinspect.Mnt); ok && host == mounts {
		mounts = nsinspect.ID{}
	}
	key := container.Key()
	if !certain {
		taken := len(s.pids[pids]) > 0 || pids == s.host && (mounts.IsZero() || len(s.mounts[mounts]) > 0)
		if taken {
			return
		}
	}
	s.inits[key] = process.PID()
	if pids == s.host {
		s.hostPID = append(s.hostPID, key)
	} else {
		s.pids[pids] = append(s.pids[pids], key)
	}
	if !mounts.IsZero() {
		s.mounts[mounts] = append(s.mounts[mounts], key)
	}
}

// of returns whose a process is by other signs than its cgroups, if these say something else. What can't
// be read leaves the cgroups' word.
func (s *strays) of(ctx context.Context, process *nsinspect.Process, found owner.Attribution) (inventory.Key, bool) {
	if s == nil || len(s.inits) == 0 {
		return inventory.Key{}, false
	}
	pids, err := process.Namespace(nsinspect.PID)
	if err != nil || !s.isDoubtful(process, pids, found) {
		return inventory.Key{}, false
	}
	whose := s.trace(ctx, process, pids, found)
	if whose.known {
		s.kin[process.PID()] = whose.kin
	}
	if !whose.known || found.IsListed() && found.Key == whose.key {
		return inventory.Key{}, false
	}
	// A runtime's process enters the cgroup before it gets another parent.
	entries, err := cgroup.ReadLive(ctx, process)
	if err != nil {
		return inventory.Key{}, false
	}
	now := s.node.owners.Attribute(entries)
	return whose.key, !now.IsListed() || now.Key != whose.key
}

// trace is step with the ancestors that it takes. Where one has ended meanwhile, the process has another
// parent by now.
func (s *strays) trace(ctx context.Context, process *nsinspect.Process, pids nsinspect.ID, found owner.Attribution) step {
	var whose step
	for range maxParents {
		if whose = s.step(process, pids, found); whose.parent > 0 {
			whose.kin = s.climb(ctx, whose.parent)
		}
		if now, err := process.Parent(); whose.known || err != nil || now == whose.parent {
			break
		}
	}
	return whose
}

// isInMountsOf reports whether a process is in the mount namespace of a container.
func (s *strays) isInMountsOf(process *nsinspect.Process, key inventory.Key) bool {
	mounts, err := process.Namespace(nsinspect.Mnt)
	return err == nil && slices.Contains(s.mounts[mounts], key)
}

// isContainerMount reports whether a mount namespace is that of a container.
func (s *strays) isContainerMount(mounts nsinspect.ID) bool {
	return s != nil && len(s.mounts[mounts]) > 0
}

// isDoubtful reports whether what the cgroups say of a process does not fit its namespaces, or where it
// is the host's by both, whether there are containers that this can't be told from.
func (s *strays) isDoubtful(process *nsinspect.Process, pids nsinspect.ID, found owner.Attribution) bool {
	switch {
	case pids == s.host && len(s.hostPID) == 0:
		return false
	case !found.IsListed():
		return true
	default:
		return !s.isAtHome(process, pids, found.Key)
	}
}

// isAtHome reports whether a process is in the namespaces of the container that its cgroups name. One
// whose init process is not known has none to compare with.
func (s *strays) isAtHome(process *nsinspect.Process, pids nsinspect.ID, key inventory.Key) bool {
	if _, known := s.inits[key]; !known || slices.Contains(s.pids[pids], key) {
		return true
	}
	if pids != s.host {
		return false
	}
	mounts, err := process.Namespace(nsinspect.Mnt)
	return err != nil || slices.Contains(s.mounts[mounts], key)
}

// step is whose a process is, if it tells that itself, or else the parent to ask.
type step struct {
	kin

	parent int
}

// step looks at one process of a line of ancestors.
func (s *strays) step(process *nsinspect.Process, pids nsinspect.ID, found owner.Attribution) step {
	if found.IsListed() && s.isAtHome(process, pids, found.Key) {
		return step{kin: kin{found.Key, true}}
	}
	if found.Kind == owner.Unlisted {
		// A targeted scan lists no other container of the pod, which may have the same PID namespace and shim.
		if mounts, err := process.Namespace(nsinspect.Mnt); err != nil || !s.isContainerMount(mounts) {
			return step{}
		}
	}
	parent, err := process.Parent()
	if err != nil {
		return step{}
	}
	if key, ok := s.byShim(process, pids, parent); ok {
		return step{kin: kin{key, true}}
	}
	return step{parent: parent}
}

// byShim returns the container that a process is an orphan of: its parent is the container's shim.
// In the host's PID namespace the shim has children that are not the container's, such as runc, so
// there the process has to be in the container's mount namespace.
func (s *strays) byShim(process *nsinspect.Process, pids nsinspect.ID, parent int) (inventory.Key, bool) {
	owners := s.pids[pids]
	if pids == s.host {
		owners = s.hostPID
	}
	var of []inventory.Key
	for _, key := range owners {
		if s.shimOf(key) == parent {
			of = append(of, key)
		}
	}
	if len(of) == 0 || parent == 0 {
		return inventory.Key{}, false
	}
	mounts, err := process.Namespace(nsinspect.Mnt)
	for _, key := range of { // The containers of a pod may have one shim and one PID namespace.
		if err == nil && slices.Contains(s.mounts[mounts], key) {
			return key, true
		}
	}
	return of[0], pids != s.host
}

// shimOf returns the parent of a container's init process, or 0.
func (s *strays) shimOf(key inventory.Key) int {
	shim, known := s.shims[key]
	if known {
		return shim
	}
	if process, err := s.node.fs.Open(s.inits[key]); err == nil {
		shim, _ = process.Parent() // 0 where it can't be read.
		process.Close()
	}
	if shim == 1 {
		shim = 0 // The shim has ended, and its children are among the host's.
	}
	s.shims[key] = shim
	return shim
}

// climb returns the container of the first process above that is of one.
func (s *strays) climb(ctx context.Context, pid int) kin {
	var path []int
	var found kin
	for pid > 1 && len(path) < maxAncestors && ctx.Err() == nil {
		if known, ok := s.kin[pid]; ok {
			found = known
			break
		}
		path = append(path, pid)
		next := s.stepOf(ctx, pid)
		found, pid = next.kin, next.parent
	}
	if found.known || pid == 1 { // What could not be read may be another process's by the next look.
		for _, pid := range path {
			s.kin[pid] = found
		}
	}
	return found
}

// stepOf is step for a process that is not open yet.
func (s *strays) stepOf(ctx context.Context, pid int) step {
	process, err := s.node.fs.Open(pid)
	if err != nil {
		return step{}
	}
	defer process.Close()
	entries, err := cgroup.ReadLive(ctx, process)
	if err != nil {
		return step{}
	}
	pids, err := process.Namespace(nsinspect.PID)
	if err != nil {
		return step{}
	}
	return s.step(process, pids, s.node.owners.Attribute(entries))
}
