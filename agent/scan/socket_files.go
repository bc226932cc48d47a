// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"slices"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// wants implements fileReader: the files of each process in the host's network are needed, and
// of all where this scan lists all.
func (f *socketFinder) wants(record *snapshot.Process) bool {
	switch {
	case len(f.byInode) == 0:
		return false
	case record == nil:
		// Which sockets they hold is remembered, to see when nobody of those holds one any more.
		return f.naming || f.listsAll && f.cache != nil && f.node.scope == wholeNode
	}
	return f.listsAll || f.node.sharesKind(record, nsinspect.Net)
}

// file implements fileReader.
func (f *socketFinder) file(_ context.Context, of *openFiles, file *nsinspect.Descriptor) {
	inode, ok := file.Socket()
	if !ok || f.byInode[inode] == nil {
		return
	}
	held := heldFile{of.process.PID(), inode}
	if f.seen[held] {
		return
	}
	f.seen[held] = true
	holder := of.holder()
	if of.container == nil {
		if holders := f.hostHolders[inode]; len(holders) < maxHolders {
			f.hostHolders[inode] = append(holders, holder)
		}
		return
	}
	for _, listener := range f.byInode[inode] {
		f.of(of.container, listener).add(holder)
	}
}

// failed implements fileReader. What can't be listed of the host's processes is not remembered; it
// is no part of any container.
func (f *socketFinder) failed(of *openFiles, err error) {
	switch {
	case of.container == nil:
	case !errors.Is(err, nsinspect.ErrDenied), of.inHostNetwork:
		f.gaps[of.container] = gapOf(err)
	default:
		f.unlisted = true
	}
}

// tooManyFiles says why not all files of a container were listed.
const tooManyFiles = "its processes have more open files than one scan lists"

// cut implements fileReader.
func (f *socketFinder) cut(container *snapshot.Container) {
	if _, failed := f.gaps[container]; !failed {
		f.gaps[container] = snapshot.Gap{Cause: snapshot.CauseLimit, Detail: tooManyFiles}
	}
}

// runs notes that a process which held a socket before still runs.
func (f *socketFinder) runs(pid int) {
	if _, ok := f.watched[pid]; ok {
		f.watched[pid] = true
	}
}

// complete finds the sockets of processes whose files were not listed: by what is remembered
// of them or, where a socket is not accounted for, by listing the files of all.
func (f *socketFinder) complete(ctx context.Context) error {
	defer f.recordGaps()
	if f.cache == nil {
		return nil
	}
	if f.node.scope == listed {
		f.cache.update(f.listing(), f.builder.ids())
		return nil
	}
	if !f.listsAll && f.unaccounted() {
		f.listsAll = true
		if err := f.files.run(ctx); err != nil {
			return err
		}
	}
	if f.listsAll {
		f.cache.learn(f.listing())
		return nil
	}
	f.cache.recall(f.recall)
	return nil
}

// recordGaps notes why the files of containers could not all be listed. What is beyond a limit says
// nothing against what was seen of the container otherwise.
func (f *socketFinder) recordGaps() {
	for container, gap := range f.gaps {
		if gap.Cause == snapshot.CauseLimit {
			snapshot.MarkSockets(&container.Unread, gap)
			continue
		}
		f.builder.unread(container, gap.Cause, gap.Detail)
	}
}

// unaccounted reports whether there is a socket of which it is not known who holds it.
func (f *socketFinder) unaccounted() bool {
	known := make(map[*socket.Socket]bool)
	for _, held := range f.held {
		for listener := range held {
			known[listener] = true
		}
	}
	running := func(pid int) bool { return f.watched[pid] }
	return slices.ContainsFunc(f.table.Sockets, func(s socket.Socket) bool {
		return s.Inode != 0 && lasts(&s) && !known[f.byInode[s.Inode][0]] && !f.cache.covers(&s, running)
	})
}

// lasts reports whether a socket is no client's, of which a new one comes with each question
// that is asked of a DNS server.
func lasts(s *socket.Socket) bool {
	return !comesAndGoes(s) || s.Protocol != socket.Raw && s.Address.Port() < socket.FirstEphemeralPort
}

// listing returns what the files showed, for the cache.
func (f *socketFinder) listing() listing {
	all := listing{sockets: make(map[uint64]cachedSocket, len(f.byInode)), gaps: make(map[string]snapshot.Gap), unlisted: f.unlisted}
	for inode := range f.byInode {
		var host []int
		for _, holder := range f.hostHolders[inode] {
			host = append(host, holder.PID)
		}
		all.sockets[inode] = cachedSocket{host: host}
	}
	for container, held := range f.held {
		for listener, hold := range held {
			cached := all.sockets[listener.Inode]
			for _, holder := range hold.holders {
				cached.containers = append(cached.containers, cachedHolder{container.ID, holder})
			}
			all.sockets[listener.Inode] = cached
		}
	}
	for container, gap := range f.gaps {
		all.gaps[container.ID] = gap
	}
	return all
}

// recall takes over what is cached of sockets and of processes that are still there, unless
// this scan has listed a process's files itself.
func (f *socketFinder) recall(cached listing) {
	f.unlisted = f.unlisted || cached.unlisted
	holders := f.builder.byPID()
	for inode, known := range cached.sockets {
		for _, held := range known.containers {
			container := holders[held.holder.PID]
			if container == nil || container.ID != held.container || f.files.listed[held.holder.PID] {
				continue
			}
			for _, listener := range f.byInode[inode] {
				f.of(container, listener).add(held.holder)
			}
		}
	}
	for _, container := range f.builder.containers {
		gap, ok := cached.gaps[container.ID]
		if ok && slices.ContainsFunc(container.Processes, func(p snapshot.Process) bool { return !f.files.listed[p.PID] }) {
			f.gaps[container] = gap
		}
	}
}
