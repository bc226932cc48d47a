// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"maps"
	"slices"
	"sync"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// listEvery is the number of full scans of which one lists the open files of every process.
const listEvery = 10

// maxPlaces caps the containers of which it is remembered where the listing of their files was cut
// off. A container that is gone is forgotten with all others once there are so many.
const maxPlaces = 4096

// HolderCache remembers from one full scan to the next which processes hold the sockets of the
// host's network. A socket can be passed to a process in another network, which only the list
// of that process's open files shows, and listing those of all processes costs more than the
// rest of a scan. So they are listed periodically, and at once where a socket is new or the
// processes that held it have ended. Its zero value is ready for use; nil remembers nothing.
type HolderCache struct {
	mu sync.Mutex
	// scans is how many full scans go by before the next that lists all.
	scans int
	// places are where the listing of containers' files was cut off, by the container's ID.
	places map[string]filePlace
	listing
	// files are namespaces of the host that containers have open, by the container's ID.
	files map[string][]heldFileOf
}

// listing is what the open files of processes showed.
type listing struct {
	sockets map[uint64]cachedSocket // By inode.
	// gaps are why the files of containers could not all be listed, by the container's ID.
	gaps map[string]snapshot.Gap
	// unlisted says that the files of some processes may not be listed.
	unlisted bool
}

// cachedSocket is a socket with the processes that had it open when files were listed.
type cachedSocket struct {
	// host are processes of the host.
	host       []int
	containers []cachedHolder
}

// cachedHolder is a process of a container. The container's ID stays when more becomes known
// of the container, as its key does not.
type cachedHolder struct {
	container string
	holder    snapshot.Holder
}

// begin reports whether a scan is to list the open files of all processes. A targeted one
// always does: its containers are few.
func (c *HolderCache) begin(scope scope) bool {
	if c == nil || scope == listed {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.scans > 0 {
		c.scans--
		return false
	}
	return true
}

// suspend remembers where the listing of a container's files was cut off.
func (c *HolderCache) suspend(container string, place filePlace) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.places == nil || len(c.places) == maxPlaces {
		c.places = make(map[string]filePlace)
	}
	c.places[container] = place
}

// resume returns where the listing of a container's files is to go on.
func (c *HolderCache) resume(container string) filePlace {
	if c == nil {
		return filePlace{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	place := c.places[container]
	delete(c.places, container)
	return place
}

// holders returns the processes that had a socket open.
func (c *HolderCache) holders() map[int]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	pids := make(map[int]bool)
	for _, cached := range c.sockets {
		for _, pid := range cached.pids() {
			pids[pid] = true
		}
	}
	return pids
}

// pids returns the processes that had the socket open.
func (s *cachedSocket) pids() []int {
	pids := slices.Clone(s.host)
	for _, held := range s.containers {
		pids = append(pids, held.holder.PID)
	}
	return pids
}

// holdersOf returns the processes that had a socket open. It reports whether the socket was
// there when all files were listed.
func (c *HolderCache) holdersOf(inode uint64) (pids []int, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cached, known := c.sockets[inode]
	return cached.pids(), known
}

// covers reports whether what is cached of a socket still holds: it was there when all files
// were listed, and one of the processes that had it open then still runs.
func (c *HolderCache) covers(listener *socket.Socket, running func(pid int) bool) bool {
	pids, known := c.holdersOf(listener.Inode)
	// The kernel has sockets of its own, which no process holds.
	return known && (len(pids) == 0 || slices.ContainsFunc(pids, running))
}

// learn takes over what a scan that listed all files found.
func (c *HolderCache) learn(all listing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listing, c.scans = all, listEvery-1
}

// update takes over what a targeted scan found of its containers, which are named by their
// IDs. Sockets that are new are left to the next full scan, which then lists all files.
func (c *HolderCache) update(some listing, ids map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for inode, cached := range c.sockets {
		others := slices.DeleteFunc(slices.Clone(cached.containers), func(held cachedHolder) bool { return ids[held.container] })
		cached.containers = slices.Concat(others, some.sockets[inode].containers)
		c.sockets[inode] = cached
	}
	for id := range ids {
		delete(c.gaps, id)
	}
	for id, gap := range some.gaps {
		if c.gaps == nil {
			c.gaps = make(map[string]snapshot.Gap)
		}
		c.gaps[id] = gap
	}
	c.unlisted = c.unlisted || some.unlisted
}

// heldFiles returns the namespaces of the host that containers were last seen to have open, by the
// containers' IDs.
func (c *HolderCache) heldFiles() map[string][]heldFileOf {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.files)
}

// learnFiles takes over what a scan has found of its containers, which are named by their IDs. What is
// beyond them is forgotten by a scan that lists all files.
func (c *HolderCache) learnFiles(found map[string][]heldFileOf, all bool, ids map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := maps.Clone(found)
	for id, files := range c.files {
		if !all && !ids[id] {
			known[id] = files
		}
	}
	c.files = known
}

// recall calls found with what is cached.
func (c *HolderCache) recall(found func(listing)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found(c.listing)
}
