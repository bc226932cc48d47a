// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"slices"

	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// shadowed returns the sockets that receive nothing because a forward to this container comes
// first: those of the host and of other containers, on the same port.
func (r *forwardResolver) shadowed(forward *netfilter.Forward, container *snapshot.Container) (found []snapshot.Socket, more int) {
	for port := int(forward.HostPort); port <= max(int(forward.HostPort), int(forward.LastPort)); port++ {
		for _, listener := range r.sockets.byPort[uint16(port)] {
			switch {
			case !owner.Shadows(forward, listener) || r.sockets.isOfPod(listener, container):
			case len(found) < maxShadowsNamed:
				found = append(found, r.sockets.withHolders(listener))
			default:
				more++
			}
		}
	}
	return found, more
}

// isOfPod reports whether a socket is held by the container itself, or by one of its pod.
func (f *socketFinder) isOfPod(listener *socket.Socket, container *snapshot.Container) bool {
	for other, held := range f.held {
		if _, holds := held[listener]; !holds {
			continue
		}
		if other == container || other.SandboxID != "" && other.SandboxID == container.SandboxID {
			return true
		}
	}
	return false
}

// withHolders returns a socket with the processes of a container that hold it, if any do.
func (f *socketFinder) withHolders(listener *socket.Socket) snapshot.Socket {
	for _, held := range f.held {
		if hold := held[listener]; hold != nil && len(hold.holders) > 0 {
			return snapshot.Socket{Socket: *listener, Holders: hold.holders, MoreHolders: hold.more}
		}
	}
	return snapshot.Socket{Socket: *listener}
}

// keepsPort reports whether a process of the host has a socket for the sake of a container.
func keepsPort(holder snapshot.Holder) bool { return runtimes.KeepsPort(holder.Command) }

// nameShadowed resolves the host processes whose listening sockets are shadowed by a forward.
func (r *forwardResolver) nameShadowed(ctx context.Context) error {
	nameless := make(map[uint64][]*snapshot.Socket)
	for _, container := range r.builder.containers {
		for i := range container.Forwards {
			for k := range container.Forwards[i].Shadows {
				if shadow := &container.Forwards[i].Shadows[k]; len(shadow.Holders) == 0 {
					nameless[shadow.Inode] = append(nameless[shadow.Inode], shadow)
				}
			}
		}
	}
	if len(nameless) == 0 {
		return nil
	}
	err := r.nameHolders(ctx, nameless)
	for _, container := range r.builder.containers {
		for i := range container.Forwards {
			forward := &container.Forwards[i]
			forward.Shadows = slices.DeleteFunc(forward.Shadows, func(s snapshot.Socket) bool {
				return slices.ContainsFunc(s.Holders, keepsPort) && nameless[s.Inode] != nil
			})
		}
	}
	return err
}

// capShadows keeps the first of the sockets that each forward shadows, and counts the rest.
func (r *forwardResolver) capShadows() {
	for _, container := range r.builder.containers {
		for i := range container.Forwards {
			forward := &container.Forwards[i]
			named := min(len(forward.Shadows), maxShadows)
			forward.MoreShadows += len(forward.Shadows) - named
			forward.Shadows = forward.Shadows[:named]
		}
	}
}

// nameHolders looks for the processes that hold these sockets: among those that held them
// before and, where that names none, among all.
func (r *forwardResolver) nameHolders(ctx context.Context, nameless map[uint64][]*snapshot.Socket) error {
	var candidates []int
	search := make(map[uint64]bool)
	for inode := range nameless {
		pids, known := r.sockets.holdersBefore(inode)
		candidates = append(candidates, pids...)
		search[inode] = !known || len(pids) > 0 // One without holders had none to be found when all were listed.
	}
	slices.Sort(candidates)
	for _, pid := range slices.Compact(candidates) {
		if err := r.nameHolder(ctx, pid, nameless); err != nil {
			return err
		}
	}
	for inode, sockets := range nameless {
		if search[inode] && len(sockets[0].Holders) == 0 {
			return r.node.each(ctx, func(pid int) error { return r.nameHolder(ctx, pid, nameless) })
		}
	}
	return nil
}

// holdersBefore returns the processes that held a socket when the files of all processes were
// last listed, and whether it was there then.
func (f *socketFinder) holdersBefore(inode uint64) (pids []int, known bool) {
	if f.cache == nil {
		return nil, false
	}
	return f.cache.holdersOf(inode)
}

// nameHolder notes that a process holds one of these sockets. What can't be listed stays
// nameless.
func (r *forwardResolver) nameHolder(ctx context.Context, pid int, nameless map[uint64][]*snapshot.Socket) error {
	process, err := r.node.fs.Open(pid)
	if err != nil {
		return nil // It has ended.
	}
	defer process.Close()
	_ = eachHeld(ctx, process, func(inode uint64) bool { return nameless[inode] != nil }, func(inode uint64) {
		holder := holderOf(process)
		for _, shadow := range nameless[inode] {
			shadow.Holders, shadow.MoreHolders = withHolder(shadow.Holders, shadow.MoreHolders, holder)
		}
	})
	return ctx.Err()
}
