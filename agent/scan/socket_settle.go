// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// attributeMade attributes sockets by the cgroup in which they were made, which the kernel
// tells also where no process's files can be listed, and of sockets that were made before
// their process left the host's network.
func (f *socketFinder) attributeMade(ctx context.Context) error {
	wanted := make(map[uint64]bool)
	for i := range f.table.Sockets {
		if id := f.table.Sockets[i].Cgroup; id > 1 { // 1 is the root.
			wanted[id] = true
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	tree, err := cgroup.OpenTree(f.node.host)
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
		f.builder.gap(causeOf(err), "whose the host's sockets are, by cgroups: "+oneLine(err))
	}
	for i := range f.table.Sockets {
		listener := &f.table.Sockets[i]
		path, ok := paths[listener.Cgroup]
		if !ok {
			continue
		}
		found := f.node.owners.Attribute([]cgroup.Entry{{Hierarchy: cgroup.V2, Path: path}})
		if container := f.builder.container(found.Key); found.IsListed() && container != nil {
			f.of(container, listener).made = true
		}
	}
	return nil
}

// confirm looks again, after a while, where a container has sockets that come and go by their
// nature: those that a client makes to ask one question.
func (f *socketFinder) confirm(ctx context.Context) error {
	if !f.hasPassing() {
		return nil
	}
	if rest := f.settle - time.Since(f.readAt); rest > 0 {
		if err := pause(ctx, rest); err != nil {
			return err
		}
	}
	again, err := socket.List(ctx, f.node.host)
	if err != nil {
		return nil //nolint:nilerr // The first look stands.
	}
	stays := f.stays(again)
	for _, held := range f.held {
		for listener := range held {
			if comesAndGoes(listener) && !stays(listener) && again.Failed[listener.Protocol] == nil {
				delete(held, listener)
				f.builder.snap.Coverage.Transient++
			}
		}
	}
	return nil
}

// stays returns whether a socket is in a second table, or a new one has taken its place: who binds a
// server's port with ever other sockets has it all the time.
func (f *socketFinder) stays(again socket.Table) func(listener *socket.Socket) bool {
	type place struct {
		protocol socket.Protocol
		address  netip.AddrPort
	}
	still, taken := make(map[uint64]bool, len(again.Sockets)), make(map[place]bool)
	for i := range again.Sockets {
		s := &again.Sockets[i]
		still[s.Inode] = true
		if f.byInode[s.Inode] == nil && lasts(s) {
			taken[place{s.Protocol, s.Address}] = true
		}
	}
	return func(s *socket.Socket) bool { return still[s.Inode] || taken[place{s.Protocol, s.Address}] }
}

// hasPassing reports whether a container has a socket that may be gone in a moment.
func (f *socketFinder) hasPassing() bool {
	for container, held := range f.held {
		for listener := range held {
			if comesAndGoes(listener) && !declares(container, listener) {
				return true
			}
		}
	}
	return false
}

func comesAndGoes(s *socket.Socket) bool {
	return s.Protocol != socket.TCP && s.Protocol != socket.SCTP
}

func declares(container *snapshot.Container, s *socket.Socket) bool {
	return slices.ContainsFunc(container.Declared.Ports, func(port inventory.Port) bool {
		return port.Protocol == s.Protocol && port.HostPort == s.Address.Port()
	})
}

// record puts into the snapshot what was found.
func (f *socketFinder) record() {
	if f.unlisted {
		f.builder.gap(snapshot.CauseDenied, "the open files of processes in containers can't be listed, so a socket of the host's network that was passed to them is not seen")
	}
	containers := make(map[*socket.Socket][]*snapshot.Container)
	running := make(map[*snapshot.Container]map[int]bool, len(f.held))
	for container, held := range f.held {
		running[container] = make(map[int]bool, len(container.Processes))
		for i := range container.Processes {
			running[container][container.Processes[i].PID] = true
		}
		for listener := range held {
			containers[listener] = append(containers[listener], container)
		}
	}
	for i := range f.table.Sockets {
		for _, container := range containers[&f.table.Sockets[i]] {
			f.recordHeld(container, &f.table.Sockets[i], running[container])
		}
	}
}

// recordHeld puts a socket of a container into the snapshot.
func (f *socketFinder) recordHeld(container *snapshot.Container, listener *socket.Socket, running map[int]bool) {
	hold := f.held[container][listener]
	// A transient process, such as a runtime's own, is not the container's.
	hold.holders = slices.DeleteFunc(hold.holders, func(h snapshot.Holder) bool { return !running[h.PID] })
	if len(hold.holders) == 0 && hold.more == 0 && !hold.made {
		delete(f.held[container], listener)
		return
	}
	if len(container.Sockets) == maxSocketsHeld {
		gap := snapshot.Gap{Cause: snapshot.CauseLimit, Detail: fmt.Sprintf("it has more than %d", maxSocketsHeld)}
		snapshot.MarkSockets(&container.Unread, gap)
		return
	}
	container.Sockets = append(container.Sockets, snapshot.Socket{Socket: *listener, Holders: hold.holders, MoreHolders: hold.more})
}
