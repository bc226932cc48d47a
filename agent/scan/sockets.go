// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// Caps of the look at who holds which socket.
const (
	// maxSocketsHeld caps the sockets that one container has in a snapshot, maxHolders the
	// processes that one socket has, and maxShadows the sockets that a forward shadows: those
	// among maxShadowsNamed that are not there for the sake of a container.
	maxSocketsHeld  = 4096
	maxHolders      = 8
	maxShadows      = 8
	maxShadowsNamed = 1024
)

// socketFinder finds which containers have sockets in the host's network.
type socketFinder struct {
	node    *node
	builder *builder
	files   *fileWalk
	cache   *HolderCache
	settle  time.Duration

	table  socket.Table
	readAt time.Time
	// byInode and byPort lead to the sockets of the table. A socket of SCTP may have several
	// addresses, and stands there once for each.
	byInode map[uint64][]*socket.Socket
	byPort  map[uint16][]*socket.Socket
	// held are the sockets of each container.
	held map[*snapshot.Container]map[*socket.Socket]*hold
	// listsAll says that the files of all processes are listed, also of those in networks of
	// their own, to which a socket of the host may have been passed.
	listsAll bool
	// naming says that processes of the host are listed to name those that hold sockets.
	naming bool
	// hostHolders are the processes of the host that hold a socket, by its inode, and seen is what
	// processes were seen to hold.
	hostHolders map[uint64][]snapshot.Holder
	seen        map[heldFile]bool
	// watched are the processes that held a socket at an earlier scan; true for those that run.
	watched map[int]bool
	// unlisted says that the files of some processes may not be listed, and gaps are why those of
	// containers could not all be.
	unlisted bool
	gaps     map[*snapshot.Container]snapshot.Gap
}

// heldFile is a socket that a process holds.
type heldFile struct {
	pid   int
	inode uint64
}

// hold is how a container has a socket.
type hold struct {
	// made says that it was made in the container's cgroup.
	made    bool
	holders []snapshot.Holder
	more    int // Holders beyond the cap.
}

func newSocketFinder(n *node, b *builder, files *fileWalk, cache *HolderCache, settle time.Duration) *socketFinder {
	f := &socketFinder{
		node: n, builder: b, files: files, cache: cache, settle: settle,
		held:        make(map[*snapshot.Container]map[*socket.Socket]*hold),
		hostHolders: make(map[uint64][]snapshot.Holder),
		seen:        make(map[heldFile]bool),
		watched:     make(map[int]bool),
		gaps:        make(map[*snapshot.Container]snapshot.Gap),
	}
	files.readers = append(files.readers, f)
	return f
}

// read reads the sockets of the host's network, before the processes, whose files are then
// compared with them.
func (f *socketFinder) read(ctx context.Context) {
	if f.node.ref.Reference == nsinspect.ByNone {
		return
	}
	f.listsAll = f.cache.begin(f.node.scope)
	if !f.listsAll {
		for pid := range f.cache.holders() {
			f.watched[pid] = false
		}
	}
	coverage := &snapshot.PortCoverage{NoSockets: make(map[socket.Protocol]snapshot.Gap)}
	f.builder.snap.Ports = coverage
	f.readAt = time.Now()
	table, err := socket.List(ctx, f.node.host)
	if err != nil {
		for _, protocol := range socket.Protocols() {
			coverage.NoSockets[protocol] = gapOf(err)
		}
		return
	}
	coverage.Sockets, coverage.Ways, coverage.Absent = len(table.Sockets), table.Sources, table.Absent
	for protocol, err := range table.Failed {
		coverage.NoSockets[protocol] = gapOf(err)
	}
	f.index(table)
}

func (f *socketFinder) index(table socket.Table) {
	f.table = table
	f.byInode = make(map[uint64][]*socket.Socket, len(table.Sockets))
	f.byPort = make(map[uint16][]*socket.Socket, len(table.Sockets))
	for i := range table.Sockets {
		listener := &table.Sockets[i]
		port := listener.Address.Port()
		f.byPort[port] = append(f.byPort[port], listener)
		if listener.Inode != 0 {
			f.byInode[listener.Inode] = append(f.byInode[listener.Inode], listener)
		}
	}
}

// of returns how a container has a socket, which is noted if it is new.
func (f *socketFinder) of(container *snapshot.Container, listener *socket.Socket) *hold {
	if f.held[container] == nil {
		f.held[container] = make(map[*socket.Socket]*hold)
	}
	if f.held[container][listener] == nil {
		f.held[container][listener] = new(hold)
	}
	return f.held[container][listener]
}

// add notes a process that has the socket open. It is called once a process.
func (h *hold) add(holder snapshot.Holder) {
	h.holders, h.more = withHolder(h.holders, h.more, holder)
}

// withHolder adds a holder that is not there yet. Beyond the cap it is counted only.
func withHolder(holders []snapshot.Holder, more int, holder snapshot.Holder) ([]snapshot.Holder, int) {
	known := slices.ContainsFunc(holders, func(other snapshot.Holder) bool { return other.PID == holder.PID })
	switch {
	case known:
		return holders, more
	case len(holders) >= maxHolders:
		return holders, more + 1
	default:
		return append(holders, holder), more
	}
}

// holderOf names a process. One without a name is a holder all the same.
func holderOf(process *nsinspect.Process) snapshot.Holder {
	command, _ := process.Command()
	return snapshot.Holder{PID: process.PID(), Command: command}
}
