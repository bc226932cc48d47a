// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

// Attributor tells which container a process belongs to from its cgroups.
//
// A cgroup's name proves nothing: a container that may write to the cgroup file system
// can make one named like another container's. So for each container whose init process
// is known, the place where that process really is counts, and a path that merely names
// the container is taken for it only if there is no such place.
//
// All paths are as the reader sees them. From a cgroup namespace of its own, such as a pod
// has on cgroup v2, they are relative to the reader's own cgroup: what both have in common
// is missing, and "/.." stands for each level up.
type Attributor struct {
	// places are the containers by hierarchy and path of the cgroup that their init
	// process was found in.
	places map[place]inventory.Key
	// settled are the containers that have a place.
	settled map[inventory.Key]bool
	// tails are the cgroup paths that runtime specs name, of containers without a place.
	tails []tail
	// byID are all containers of the inventory that an id of the usual form stands for.
	byID map[string]inventory.Key
	// host are the containers that the host itself is in.
	host []string
	// seen holds what was concluded of each set of cgroups: there are far fewer than
	// processes.
	seen map[string]Attribution
	text []byte
	// within are the hierarchies in which the reader's own cgroup is the root that it sees.
	within map[string]bool
}

type place struct{ hierarchy, path string }

type tail struct {
	path string
	key  inventory.Key
}

// New returns an attributor for the containers of an inventory.
func New(host nsinspect.HostReference, containers []inventory.Container) *Attributor {
	a := &Attributor{
		places:  make(map[place]inventory.Key),
		settled: make(map[inventory.Key]bool),
		byID:    make(map[string]inventory.Key, len(containers)),
		host:    host.Containers,
		seen:    make(map[string]Attribution),
		within:  make(map[string]bool),
	}
	for i := range containers {
		a.byID[containers[i].ID] = containers[i].Key()
	}
	return a
}

// View takes the cgroups of the host reference: where that is above the root that the reader
// sees, this root is a cgroup of the reader's own.
func (a *Attributor) View(host []cgroup.Entry) {
	for _, entry := range host {
		a.within[entry.Hierarchy] = outside(entry.Path)
	}
}

// outside reports whether a path leads out of the reader's cgroup namespace.
func outside(path string) bool { return path == "/.." || strings.HasPrefix(path, "/../") }

// Settle records where a container's init process is. It reports whether the process is in
// the container's cgroup at all: if not, the pid is not, or no longer, the container's.
func (a *Attributor) Settle(container *inventory.Container, entries []cgroup.Entry) bool {
	found := false
	for _, entry := range entries {
		path, ok := cutTails(entry.Path, specPaths(container))
		if !ok && a.within[entry.Hierarchy] && !outside(entry.Path) {
			path, ok = "/", true // It is the container that the reader runs in.
		}
		if ok {
			a.places[place{entry.Hierarchy, path}] = container.Key()
			found = true
		}
	}
	if found {
		a.settled[container.Key()] = true
	}
	return found
}

// Finish is called once every init process was looked at: the containers that have no
// place are then known by what their specs say.
func (a *Attributor) Finish(containers []inventory.Container) {
	for i := range containers {
		container := &containers[i]
		if a.settled[container.Key()] {
			continue
		}
		if container.CgroupsPath == "" {
			continue // An id alone may be named like any cgroup of the host.
		}
		for _, path := range specPaths(container) {
			a.tails = append(a.tails, tail{path, container.Key()})
		}
	}
}
