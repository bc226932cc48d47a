// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"slices"
	"sync"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// listEvery is the number of full scans of which one lists the open files of every process.
const listEvery = 10

// HolderCache remembers from one full scan to the next which processes hold the sockets of the
// host's network. A socket can be passed to a process in another network, which only the list
// of that process's open files shows, and listing those of all processes costs more than the
// rest of a scan. So they are listed periodically, and at once where a socket is new or the
// processes that held it have ended. Its zero value is ready for use; nil remembers nothing.
type HolderCache struct {
	mu sync.Mutex
	// scans is how many full scans go by before the next that lists all.
	scans   int
	sockets map[uint64]cachedSocket // By inode.
}

// cachedSocket is a socket with the processes that had it open when all files were listed.
type cachedSocket struct {
	// host are processes of the host.
	host       []int
	containers []cachedHolder
}

type cachedHolder struct {
	container inventory.Key
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

// holders returns the processes that had a socket open.
func (c *HolderCache) holders() map[int]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	pids := make(map[int]bool)
	for _, cached := range c.sockets {
		for _, pid := range cached.host {
			pids[pid] = true
		}
		for _, held := range cached.containers {
			pids[held.holder.PID] = true
		}
	}
	return pids
}

// covers reports whether what is cached of a socket still holds: it was there when all files
// were listed, and one of the processes that had it open then still runs.
func (c *HolderCache) covers(listener *socket.Socket, running func(pid int) bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	cached, ok := c.sockets[listener.Inode]
	if !ok {
		return false
	}
	// The kernel has sockets of its own, which no process holds.
	return len(cached.host)+len(cached.containers) == 0 ||
		slices.ContainsFunc(cached.host, running) ||
		slices.ContainsFunc(cached.containers, func(held cachedHolder) bool { return running(held.holder.PID) })
}

// hostHolders returns the processes of the host that had a socket open. It reports whether the
// socket was there when all files were listed.
func (c *HolderCache) hostHolders(inode uint64) (pids []int, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cached, known := c.sockets[inode]
	return cached.host, known
}

// learn takes over what a scan that listed all files found.
func (c *HolderCache) learn(sockets map[uint64]cachedSocket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sockets, c.scans = sockets, listEvery-1
}

// recall calls found with each process of a container that had a socket open.
func (c *HolderCache) recall(found func(inode uint64, container inventory.Key, holder snapshot.Holder)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for inode, cached := range c.sockets {
		for _, held := range cached.containers {
			found(inode, held.container, held.holder)
		}
	}
}
