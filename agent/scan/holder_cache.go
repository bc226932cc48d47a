package scan

import (
	"sync"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// Where containers have more open files than manyFiles, which takes some 100 ms to list,
// they are listed in one full scan of filesBeat. Those of processes in the host's network are
// listed in each.
const (
	manyFiles = 20_000
	filesBeat = 10
)

// FileMemory remembers who holds which of the host's sockets, so that not every scan has to
// list the open files of all containers. Its zero value is ready for use, and nil remembers
// nothing.
type HolderCache struct {
	mu sync.Mutex
	// skip is how many full scans go by before the next that lists all.
	skip int
	held []heldSocket
}

// heldSocket is a socket that a process of a container held when files were last listed.
type heldSocket struct {
	inode     uint64
	container inventory.Key
	holder    snapshot.Holder
}

// begin says whether a scan is to list all open files. A targeted one always does: its
// containers are few.
func (m *HolderCache) begin(targeted bool) bool {
	if m == nil || targeted {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.skip > 0 {
		m.skip--
		return false
	}
	return true
}

// end takes over what a full scan found, or completes what it did not look for.
func (m *HolderCache) end(w *walk) {
	if m == nil || w.targeted {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !w.sockets.deep {
		m.recall(w)
		return
	}
	if w.sockets.listed > manyFiles {
		m.skip = filesBeat - 1
	}
	m.held = nil
	for key, held := range w.sockets.held {
		for i, hold := range held {
			for _, holder := range hold.holders {
				m.held = append(m.held, heldSocket{w.sockets.table.Sockets[i].Inode, key, holder})
			}
		}
	}
}

// recall adds the sockets that are still there, of processes that are.
func (m *HolderCache) recall(w *walk) {
	for _, held := range m.held {
		container := w.containers[held.container]
		if container == nil || indexOf(container, held.holder.PID) < 0 {
			continue
		}
		for _, i := range w.sockets.byInode[held.inode] {
			w.sockets.of(held.container, i).add(held.holder)
		}
	}
}
