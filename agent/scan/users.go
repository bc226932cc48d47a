// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"errors"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// placeUsers notes the user namespace that each container was given: that of the pod's pause
// container, which nothing in the pod changes, or of its own init process. Of a container without
// one it is the host's.
func (i *inspector) placeUsers(inits map[inventory.Key]nsinspect.ID) {
	if i.depth == Namespaces {
		return
	}
	host, _ := i.node.ref.Namespaces.Get(nsinspect.User)
	for _, container := range i.builder.containers {
		switch {
		case container.SecuritySpec() == nil:
		case !hasUsers(&container.Container):
			container.UserNamespace = host
		default:
			container.UserNamespace = inits[container.SandboxKey()]
			if container.UserNamespace.IsZero() {
				container.UserNamespace = inits[container.Key()]
			}
		}
	}
}

// readUsers completes the user namespace of a process where it matters, and reads the maps of one
// that is not the host's. It is read after the credentials: a process only ever goes down.
func (i *inspector) readUsers(process *nsinspect.Process, of *containerContext, groups []nsinspect.ThreadGroup, weaker inventory.Weakness) {
	if len(groups) == 0 {
		return
	}
	id, known := groups[0].Namespaces.Get(nsinspect.User)
	if !known && weaker != 0 {
		var err error
		if id, err = process.Namespace(nsinspect.User); err != nil {
			return // The second look tells whether it has ended.
		}
		for k := range groups {
			groups[k].Namespaces.Set(nsinspect.User, id)
		}
	}
	if host, ok := i.node.ref.Namespaces.Get(nsinspect.User); ok && !id.IsZero() && id != host {
		of.readMaps(process, id)
	}
}

// readMaps reads the maps of a user namespace that were not read yet.
func (c *containerContext) readMaps(process *nsinspect.Process, id nsinspect.ID) {
	full := len(c.users) >= maxUserNamespaces && id != c.container.UserNamespace
	if c.users[id] || full {
		return
	}
	maps, err := process.IDMaps()
	if errors.Is(err, nsinspect.ErrVanished) {
		return
	}
	if err != nil {
		c.unread(causeOf(err), oneLine(err))
		return
	}
	if len(maps.UIDs) > 0 || len(maps.GIDs) > 0 { // Else they are not written yet.
		c.users[id] = true
		c.container.UserNamespaces = append(c.container.UserNamespaces, snapshot.UserNamespace{ID: id, Maps: maps})
	}
}

// mayBeNested reports whether a process is in a user namespace below the container's, or whether
// that is not known: under a profile of AppArmor, its namespace or the host's can't be read.
func (i *inspector) mayBeNested(container *snapshot.Container, groups []nsinspect.ThreadGroup) bool {
	if len(groups) == 0 {
		return true
	}
	id, known := groups[0].Namespaces.Get(nsinspect.User)
	if host, ok := i.node.ref.Namespaces.Get(nsinspect.User); ok && id == host {
		return false
	}
	return !known || container.UserNamespace.IsZero() || id != container.UserNamespace
}
