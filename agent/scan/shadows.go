// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"maps"
	"slices"

	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
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
	var budget fileBudget
	for _, pid := range slices.Compact(candidates) {
		if err := r.nameHolder(ctx, pid, nameless, &budget); err != nil {
			return err
		}
	}
	isMissing := func(inode uint64) bool { return search[inode] && len(nameless[inode][0].Holders) == 0 }
	if !slices.ContainsFunc(slices.Collect(maps.Keys(nameless)), isMissing) {
		return nil
	}
	if err := r.sockets.listRest(ctx); err != nil {
		return err
	}
	for inode, sockets := range nameless {
		for _, holder := range r.sockets.holdersNow(inode) {
			nameAll(sockets, holder)
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

// listRest lists the files of all processes that were not listed yet, also of those of the host.
func (f *socketFinder) listRest(ctx context.Context) error {
	f.naming, f.listsAll = true, true
	if err := f.files.run(ctx); err != nil {
		return err
	}
	if f.cache != nil && f.node.scope == wholeNode {
		f.cache.learn(f.listing())
	}
	return nil
}

// holdersNow returns the processes that this scan has seen to hold a socket.
func (f *socketFinder) holdersNow(inode uint64) []snapshot.Holder {
	holders := slices.Clone(f.hostHolders[inode])
	listeners := f.byInode[inode]
	if len(listeners) == 0 {
		return holders
	}
	for _, held := range f.held {
		if hold := held[listeners[0]]; hold != nil {
			holders = append(holders, hold.holders...)
		}
	}
	return holders
}

func nameAll(sockets []*snapshot.Socket, holder snapshot.Holder) {
	for _, shadow := range sockets {
		shadow.Holders, shadow.MoreHolders = withHolder(shadow.Holders, shadow.MoreHolders, holder)
	}
}

// nameHolder notes that a process holds one of these sockets. What can't be listed stays
// nameless, and what exceeds the budget is left to a look at all processes.
func (r *forwardResolver) nameHolder(ctx context.Context, pid int, nameless map[uint64][]*snapshot.Socket, budget *fileBudget) error {
	if budget.used() >= maxFiles {
		return ctx.Err()
	}
	process, err := r.node.fs.Open(pid)
	if err != nil {
		return nil // It has ended.
	}
	defer process.Close()
	named := make(map[uint64]bool)
	budget.files += processFiles
	which := nsinspect.DescriptorRange{Limit: max(maxFiles-budget.files, 1)}
	_, _ = process.Descriptors(ctx, which, func(file *nsinspect.Descriptor) bool {
		budget.files++
		if inode, ok := file.Socket(); ok && nameless[inode] != nil && !named[inode] {
			named[inode] = true
			nameAll(nameless[inode], holderOf(process))
		}
		return true
	})
	return ctx.Err()
}
