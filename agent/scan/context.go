// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// Caps of what is read of the security context of one container in one scan. What is beyond them is
// unknown of that container.
const (
	// usualStatus is what a status has at most, usually, and maxExcess how many bytes those of a
	// container may have beyond it altogether: with 65,536 supplementary groups one takes the
	// kernel 20 ms. One that is larger than is read counts as hugeStatus: after two of them no more
	// are read.
	usualStatus = 4 << 10
	maxExcess   = 4 << 20
	hugeStatus  = usualStatus + 2<<20
	// maxSets caps the sets of credentials, and maxGroupIDs the supplementary groups in them.
	maxSets     = 4096
	maxGroupIDs = 65_536
	// maxUserNamespaces caps the user namespaces of which the maps are read. Those of one below
	// the container's are within the container's own.
	maxUserNamespaces = 64
)

// containerContext is what one scan reads of a container's security context.
type containerContext struct {
	container *snapshot.Container
	// sandboxed: its processes are a sandbox's, of which nothing is read.
	sandboxed bool
	// sets are the places of sets of credentials, and groupIDs how many supplementary groups
	// they have.
	sets     map[setKey][]int
	groupIDs int
	// weaker are the ways in which the sets are weaker than the spec.
	weaker snapshot.Weaknesses
	// excess is how many bytes a status may still have beyond the usual, and statuses how many more
	// may be read.
	excess, statuses int
	// users are the user namespaces whose maps were read.
	users map[nsinspect.ID]bool
	// mounts are nil until they were read.
	mounts []nsinspect.Mount
}

func newContext(container *snapshot.Container) *containerContext {
	return &containerContext{
		container: container, sandboxed: runtimes.IsSandboxed(container.Runtime), excess: maxExcess, statuses: maxStatuses,
		sets: make(map[setKey][]int), users: make(map[nsinspect.ID]bool),
	}
}

// unread notes what was not seen.
func (c *containerContext) unread(cause snapshot.Cause, detail string) {
	snapshot.AddGap(&c.container.Unread.Security, cause, detail)
}

// charge takes the cost of a status off.
func (c *containerContext) charge(size int) {
	c.excess -= max(0, size-usualStatus)
	c.statuses--
}

// affords reports whether another status may be read.
func (c *containerContext) affords() bool {
	if c.excess <= 0 {
		c.unread(snapshot.CauseLimit, fmt.Sprintf("its processes have so many supplementary groups that their credentials take more than %d bytes to read", maxExcess))
	}
	if c.statuses <= 0 {
		c.unread(snapshot.CauseLimit, fmt.Sprintf("it has more threads than the %d whose credentials are read", maxStatuses))
	}
	return c.excess > 0 && c.statuses > 0
}

// bytesPerGroup is about what a supplementary group takes in a status.
const bytesPerGroup = 6

// read reads the credentials of a thread again. It reports whether they were read.
func (c *containerContext) read(process *nsinspect.Process, tid int) (nsinspect.Credentials, bool) {
	if !c.affords() {
		return nsinspect.Credentials{}, false
	}
	credentials, err := process.ThreadCredentials(tid)
	if errors.Is(err, nsinspect.ErrTooLarge) {
		c.charge(hugeStatus)
	}
	c.charge(bytesPerGroup * len(credentials.Groups))
	return credentials, err == nil
}

// setKey tells sets of credentials apart, but for their groups, of which it has a hash.
type setKey struct {
	uids, gids                                           nsinspect.IDs
	inheritable, permitted, effective, bounding, ambient nsinspect.Capabilities
	noNewPrivileges                                      bool
	seccomp                                              nsinspect.SeccompMode
	filters                                              int
	known                                                nsinspect.Fields
	groups                                               uint64
	label                                                nsinspect.Label
}

func keyOf(c *nsinspect.Credentials, label *nsinspect.Label) setKey {
	key := setKey{
		c.UIDs, c.GIDs, c.Inheritable, c.Permitted, c.Effective, c.Bounding, c.Ambient,
		c.NoNewPrivileges, c.Seccomp, c.Filters, c.Known, uint64(len(c.Groups)),
		nsinspect.Label{},
	}
	for _, group := range c.Groups {
		key.groups = (key.groups ^ uint64(group)) * 0x100000001b3 // FNV-1a; who makes it collide only slows us by maxSets.
	}
	if label != nil {
		key.label = *label
	}
	return key
}

// set returns the place of a set of credentials among those of the container, to which it is added
// if it is new. It reports whether there was room.
func (c *containerContext) set(credentials *nsinspect.Credentials, label *nsinspect.Label) (int, bool) {
	key := keyOf(credentials, label)
	for _, i := range c.sets[key] {
		if slices.Equal(c.container.Credentials[i].Groups, credentials.Groups) {
			return i, true
		}
	}
	i := len(c.container.Credentials)
	if i == maxSets || c.groupIDs+len(credentials.Groups) > maxGroupIDs {
		c.unread(snapshot.CauseLimit, "its threads have more different credentials than are kept")
		return 0, false
	}
	c.groupIDs += len(credentials.Groups)
	added := snapshot.Credentials{Credentials: *credentials}
	added.Groups = slices.Clone(credentials.Groups) // The reader uses the memory again.
	if len(added.Groups) == 0 {
		added.Groups = nil
	}
	if label != nil {
		kept := *label
		added.Label = &kept
	}
	c.container.Credentials = append(c.container.Credentials, added)
	c.sets[key] = append(c.sets[key], i)
	return i, true
}

// compact takes out the sets of credentials that no process has any more: a second look may have
// seen others.
func (c *containerContext) compact() {
	used := make([]bool, len(c.container.Credentials))
	for i := range c.container.Processes {
		for _, group := range c.container.Processes[i].Credentials {
			used[group.Set] = true
		}
	}
	if !slices.Contains(used, false) {
		return
	}
	places := make([]int, len(used))
	kept := c.container.Credentials[:0]
	for i, is := range used {
		places[i] = len(kept)
		if is {
			kept = append(kept, c.container.Credentials[i])
		}
	}
	c.container.Credentials, c.weaker = kept, snapshot.Weaknesses{}
	for i := range c.container.Processes {
		groups := c.container.Processes[i].Credentials
		for k := range groups {
			groups[k].Set = places[groups[k].Set]
		}
	}
}
