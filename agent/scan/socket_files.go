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

// visit looks for the host's sockets among the open files of a container's process: of each
// that is in the host's network, and of all where this scan lists all.
func (f *socketFinder) visit(ctx context.Context, process *nsinspect.Process, container *snapshot.Container, record *snapshot.Process) error {
	inHostNetwork := f.node.sharesKind(record, nsinspect.Net)
	if len(f.byInode) == 0 || !f.listsAll && !inHostNetwork {
		f.runs(process.PID())
		return nil
	}
	return f.list(ctx, process, container, inHostNetwork)
}

// visitHost looks at a process of the host: which sockets it holds is remembered, to see when
// nobody of those holds one any more.
func (f *socketFinder) visitHost(ctx context.Context, process *nsinspect.Process) error {
	if !f.listsAll || f.cache == nil || f.node.scope == listed {
		f.runs(process.PID())
		return nil
	}
	// What can't be listed is not remembered; it is no part of any container.
	_ = eachHeld(ctx, process, f.isListener, func(inode uint64) {
		if pids := f.hostHolders[inode]; len(pids) < maxHolders {
			f.hostHolders[inode] = append(pids, process.PID())
		}
	})
	return ctx.Err()
}

func (f *socketFinder) isListener(inode uint64) bool { return f.byInode[inode] != nil }

// eachHeld calls found with each socket among the open files of a process that is wanted, once
// however often the process has it open.
func eachHeld(ctx context.Context, process *nsinspect.Process, wanted func(inode uint64) bool, found func(inode uint64)) error {
	var seen map[uint64]bool // Most processes have none.
	_, err := process.SocketInodes(ctx, func(inode uint64) {
		if !wanted(inode) || seen[inode] {
			return
		}
		if seen == nil {
			seen = make(map[uint64]bool)
		}
		seen[inode] = true
		found(inode)
	}, maxDescriptors)
	return err
}

// runs notes that a process which held a socket before still runs.
func (f *socketFinder) runs(pid int) {
	if _, ok := f.watched[pid]; ok {
		f.watched[pid] = true
	}
}

// list finds the host's sockets among the open files of a container's process.
func (f *socketFinder) list(ctx context.Context, process *nsinspect.Process, container *snapshot.Container, inHostNetwork bool) error {
	f.listed[process.PID()] = true
	f.runs(process.PID())
	err := eachHeld(ctx, process, f.isListener, func(inode uint64) {
		holder := holderOf(process)
		for _, listener := range f.byInode[inode] {
			f.of(container, listener).add(holder)
		}
	})
	switch {
	case err == nil, errors.Is(err, nsinspect.ErrVanished):
		return nil
	case errors.Is(err, nsinspect.ErrDenied) && !inHostNetwork:
		f.unlisted = true
		return nil
	case errors.Is(err, nsinspect.ErrDenied), errors.Is(err, nsinspect.ErrTooLarge):
		f.gaps[container] = gapOf(err)
		return nil
	}
	return err
}

// complete finds the sockets of processes whose files were not listed: by what is remembered
// of them or, where a socket is not accounted for, by listing the files of all.
func (f *socketFinder) complete(ctx context.Context) error {
	defer f.recordGaps()
	if f.cache == nil {
		return nil
	}
	if f.node.scope == listed {
		f.cache.update(f.seen(), f.builder.ids())
		return nil
	}
	if !f.listsAll && f.unaccounted() {
		f.listsAll = true
		if err := f.node.each(ctx, func(pid int) error { return f.listOne(ctx, pid) }); err != nil {
			return err
		}
	}
	if f.listsAll {
		f.cache.learn(f.seen())
		return nil
	}
	f.cache.recall(f.recall)
	return nil
}

// recordGaps notes why the files of containers could not all be listed.
func (f *socketFinder) recordGaps() {
	for container, gap := range f.gaps {
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

// listOne lists the files of a process that was not listed yet.
func (f *socketFinder) listOne(ctx context.Context, pid int) error {
	if f.listed[pid] {
		return nil
	}
	process, err := f.node.fs.Open(pid)
	if err != nil {
		return nil // It has ended: the walk has counted what can't be opened.
	}
	defer process.Close()
	container, err := owned(ctx, f.node, f.builder, process)
	switch {
	case err != nil:
		return ctx.Err() // It has ended, or the walk has noted that it can't be read.
	case container == nil:
		return f.visitHost(ctx, process)
	}
	err = f.list(ctx, process, container, false)
	return f.builder.count(pid, err)
}

// seen returns what the files showed, for the cache.
func (f *socketFinder) seen() listing {
	all := listing{sockets: make(map[uint64]cachedSocket, len(f.byInode)), gaps: make(map[string]snapshot.Gap), unlisted: f.unlisted}
	for inode := range f.byInode {
		all.sockets[inode] = cachedSocket{host: f.hostHolders[inode]}
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
			if container == nil || container.ID != held.container || f.listed[held.holder.PID] {
				continue
			}
			for _, listener := range f.byInode[inode] {
				f.of(container, listener).add(held.holder)
			}
		}
	}
	for _, container := range f.builder.containers {
		gap, ok := cached.gaps[container.ID]
		if ok && slices.ContainsFunc(container.Processes, func(p snapshot.Process) bool { return !f.listed[p.PID] }) {
			f.gaps[container] = gap
		}
	}
}
