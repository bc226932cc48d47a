package scan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// Caps of the look at who holds which socket.
const (
	// maxDescriptors caps the open files of one process that are looked at.
	maxDescriptors = 1 << 20
	// maxSocketsHeld caps the sockets that one container has in a snapshot, and maxHolders
	// the processes that one socket has.
	maxSocketsHeld = 4096
	maxHolders     = 8
)

// sockets finds whose the sockets of the host's network are.
type sockets struct {
	table  socket.Table
	readAt time.Time
	// byInode are the places in the table: a socket of SCTP may have several addresses.
	byInode map[uint64][]int
	// byPort are the places in the table by port.
	byPort map[uint16][]int
	// held are the sockets of each container, by their place in the table.
	held map[inventory.Key]map[int]*hold
	// deep says that the files of all containers' processes are listed, also of those that
	// are in networks of their own, to which a socket of the host may have been passed.
	deep bool
	// listed counts the open files that were looked at, and unlisted the processes whose
	// files could not be listed.
	listed, unlisted int
}

// hold is how a container has a socket.
type hold struct {
	// made says that it was made in the container's cgroup.
	made    bool
	holders []snapshot.Holder
}

// readSockets reads the sockets of the host's network, before the processes, whose files are
// then compared with them.
func (w *walk) readSockets(ctx context.Context) {
	if w.snap.Host.Reference == nsinspect.ByNone {
		return
	}
	coverage := &snapshot.PortCoverage{NoSockets: make(map[socket.Protocol]snapshot.Gap)}
	w.snap.Ports = coverage
	w.sockets.readAt = time.Now()
	table, err := socket.List(ctx, w.host)
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
	if table.Truncated {
		w.gap(snapshot.CauseLimit, "the host's network has more sockets than are looked at")
	}
	w.sockets.table = table
	w.sockets.byInode = make(map[uint64][]int, len(table.Sockets))
	w.sockets.byPort = make(map[uint16][]int)
	for i := range table.Sockets {
		port := table.Sockets[i].Address.Port()
		w.sockets.byPort[port] = append(w.sockets.byPort[port], i)
		if inode := table.Sockets[i].Inode; inode != 0 {
			w.sockets.byInode[inode] = append(w.sockets.byInode[inode], i)
		}
	}
}

func gapOf(err error) snapshot.Gap { return snapshot.Gap{Cause: causeOf(err), Detail: oneLine(err)} }

// findHeld looks for the host's sockets among the open files of a container's process.
func (w *walk) findHeld(ctx context.Context, process *nsinspect.Process, container *snapshot.Container, record *snapshot.Process) error {
	s := &w.sockets
	inHostNetwork := w.sharesKind(record, nsinspect.Net)
	if len(s.byInode) == 0 || !s.deep && !inHostNetwork {
		return nil
	}
	seen, err := process.SocketInodes(ctx, func(inode uint64) {
		for _, i := range s.byInode[inode] {
			s.of(container.Key(), i).add(holderOf(process))
		}
	}, maxDescriptors)
	s.listed += seen
	switch {
	case err == nil, errors.Is(err, nsinspect.ErrVanished):
		return nil
	case errors.Is(err, nsinspect.ErrDenied) && !inHostNetwork:
		s.unlisted++
		return nil
	case errors.Is(err, nsinspect.ErrDenied), errors.Is(err, nsinspect.ErrTooLarge):
		w.unknownIn(container, causeOf(err), oneLine(err))
		return nil
	}
	return err
}

// holderOf names a process. One without a name is a holder all the same.
func holderOf(process *nsinspect.Process) snapshot.Holder {
	command, _ := process.Command()
	return snapshot.Holder{PID: process.PID(), Command: command}
}

// of returns how a container has a socket, which is noted if it is new.
func (s *sockets) of(key inventory.Key, socket int) *hold {
	if s.held == nil {
		s.held = make(map[inventory.Key]map[int]*hold)
	}
	if s.held[key] == nil {
		s.held[key] = make(map[int]*hold)
	}
	if s.held[key][socket] == nil {
		s.held[key][socket] = new(hold)
	}
	return s.held[key][socket]
}

// add notes a process that has the socket open.
func (h *hold) add(holder snapshot.Holder) { h.holders = withHolder(h.holders, holder) }

// withHolder adds a holder that is not there yet, up to the cap.
func withHolder(holders []snapshot.Holder, holder snapshot.Holder) []snapshot.Holder {
	known := slices.ContainsFunc(holders, func(other snapshot.Holder) bool { return other.PID == holder.PID })
	if known || len(holders) >= maxHolders {
		return holders
	}
	return append(holders, holder)
}

// findMade attributes sockets by the cgroup in which they were made, which the kernel tells
// also where no process's files can be listed, and of sockets that were made before their
// process left the host's network.
func (w *walk) findMade(ctx context.Context) error {
	wanted := make(map[uint64]bool)
	for i := range w.sockets.table.Sockets {
		if id := w.sockets.table.Sockets[i].Cgroup; id > 1 { // 1 is the root.
			wanted[id] = true
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	tree, err := cgroup.OpenTree(w.host)
	if err != nil {
		return nil // The open files tell, and say so where they can't.
	}
	defer tree.Close()
	// Paths that could not be found are as unknown as those of cgroups that are gone.
	paths, err := tree.Resolve(ctx, slices.Collect(maps.Keys(wanted)))
	if err := ctx.Err(); err != nil {
		return err
	}
	if err != nil {
		w.gap(causeOf(err), "whose the host's sockets are, by cgroups: "+oneLine(err))
	}
	for i := range w.sockets.table.Sockets {
		path, ok := paths[w.sockets.table.Sockets[i].Cgroup]
		if !ok {
			continue
		}
		found := w.attributor.Attribute([]cgroup.Entry{{Hierarchy: cgroup.V2, Path: path}})
		if container := w.containers[found.Key]; found.Known && !found.Contested && container != nil {
			w.sockets.of(found.Key, i).made = true
		}
	}
	return nil
}

// settleSockets looks again, after a while, where a container has sockets that come and go
// by their nature: those that a client makes to ask one question.
func (w *walk) settleSockets(ctx context.Context, settle time.Duration) error {
	if !w.passingSockets() {
		return nil
	}
	if rest := settle - time.Since(w.sockets.readAt); rest > 0 {
		if err := pause(ctx, rest); err != nil {
			return err
		}
	}
	again, err := socket.List(ctx, w.host)
	if err != nil {
		return nil //nolint:nilerr // The first look stands.
	}
	still := make(map[uint64]bool, len(again.Sockets))
	for i := range again.Sockets {
		still[again.Sockets[i].Inode] = true
	}
	for _, held := range w.sockets.held {
		for i := range held {
			socket := &w.sockets.table.Sockets[i]
			if comesAndGoes(socket) && !still[socket.Inode] && again.Failed[socket.Protocol] == nil {
				delete(held, i)
				w.snap.Coverage.Transient++
			}
		}
	}
	return nil
}

// passingSockets says whether a container has a socket that may be gone in a moment.
func (w *walk) passingSockets() bool {
	for key, held := range w.sockets.held {
		for i := range held {
			if socket := &w.sockets.table.Sockets[i]; comesAndGoes(socket) && !declares(w.containers[key], socket) {
				return true
			}
		}
	}
	return false
}

func comesAndGoes(s *socket.Socket) bool {
	return s.Protocol != socket.TCP && s.Protocol != socket.SCTP
}

func declares(container *snapshot.Container, socket *socket.Socket) bool {
	return slices.ContainsFunc(container.Declared.Ports, func(port inventory.Port) bool {
		return port.Protocol == socket.Protocol && port.HostPort == socket.Address.Port()
	})
}

// recordSockets puts into the snapshot what was found.
func (w *walk) recordSockets() {
	if w.sockets.unlisted > 0 {
		w.gap(snapshot.CauseDenied, fmt.Sprintf("the open files of %d processes in containers can't be listed, so a socket of the host's network that was passed to them is not seen", w.sockets.unlisted))
	}
	for key, held := range w.sockets.held {
		w.recordHeld(w.containers[key], held)
	}
}

func (w *walk) recordHeld(container *snapshot.Container, held map[int]*hold) {
	for _, i := range slices.Sorted(maps.Keys(held)) {
		// A process that was passing through, as a runtime's own are, is not the container's.
		holders := slices.DeleteFunc(held[i].holders, func(h snapshot.Holder) bool { return indexOf(container, h.PID) < 0 })
		if len(holders) == 0 && !held[i].made {
			continue
		}
		if len(container.Sockets) == maxSocketsHeld {
			w.unknownIn(container, snapshot.CauseLimit, fmt.Sprintf("it has more than %d sockets in the host's network", maxSocketsHeld))
			return
		}
		container.Sockets = append(container.Sockets, snapshot.Socket{Socket: w.sockets.table.Sockets[i], Holders: holders})
	}
}
