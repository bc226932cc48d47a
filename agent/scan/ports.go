package scan

import (
	"context"
	"slices"

	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// ports completes what the walk found of the host's ports, and puts it into the snapshot.
func (w *walk) ports(ctx context.Context, config *Config) error {
	if w.snap.Ports == nil {
		return nil
	}
	if err := w.findMade(ctx); err != nil {
		return err
	}
	config.Files.end(w)
	if err := w.settleSockets(ctx, config.Settle); err != nil {
		return err
	}
	w.recordSockets()
	w.readForwards(ctx, config.Forwards)
	return w.nameShadowed(ctx)
}

// shadowed returns the sockets that get nothing because a forward to this container comes
// first: those of the host and of other containers, on the same port.
func (w *walk) shadowed(forward *netfilter.Forward, container *snapshot.Container) []snapshot.Socket {
	var found []snapshot.Socket
	for port := int(forward.HostPort); port <= max(int(forward.HostPort), int(forward.LastPort)); port++ {
		for _, i := range w.sockets.byPort[uint16(port)] {
			socket := &w.sockets.table.Sockets[i]
			if len(found) < maxHolders && takesFrom(forward, socket) && !w.ofPod(container, i) {
				found = append(found, snapshot.Socket{Socket: *socket, Holders: w.holdersOf(i)})
			}
		}
	}
	return found
}

// takesFrom says whether a forward takes what would come to a socket on its port.
func takesFrom(forward *netfilter.Forward, socket *socket.Socket) bool {
	if socket.Protocol != forward.Protocol {
		return false
	}
	address := socket.Address.Addr().Unmap()
	if address.IsUnspecified() {
		return address.Is4() == forward.Target.Addr().Unmap().Is4() || address.Is6() && socket.DualStack
	}
	if address.Is4() != forward.Target.Addr().Unmap().Is4() {
		return false
	}
	return !forward.HostAddress.IsValid() || forward.HostAddress.Unmap() == address
}

// ofPod says whether the socket is held by the container itself, or one of its pod.
func (w *walk) ofPod(container *snapshot.Container, socket int) bool {
	for key, held := range w.sockets.held {
		if _, holds := held[socket]; !holds {
			continue
		}
		other := w.containers[key]
		if key == container.Key() || other.SandboxID != "" && other.SandboxID == container.SandboxID {
			return true
		}
	}
	return false
}

func (w *walk) holdersOf(socket int) []snapshot.Holder {
	for _, held := range w.sockets.held {
		if hold := held[socket]; hold != nil && len(hold.holders) > 0 {
			return hold.holders
		}
	}
	return nil
}

// keepsPort reports whether a process of the host has a socket for the sake of a container.
func keepsPort(holder snapshot.Holder) bool { return runtimes.KeepsPort(holder.Command) }

// nameShadowed finds the processes of the host that listen in vain. The files of the host's
// processes are listed only for that.
func (w *walk) nameShadowed(ctx context.Context) error {
	nameless := make(map[uint64][]*snapshot.Socket)
	for _, container := range w.containers {
		for i := range container.Forwards {
			for k := range container.Forwards[i].Shadows {
				if socket := &container.Forwards[i].Shadows[k]; len(socket.Holders) == 0 {
					nameless[socket.Inode] = append(nameless[socket.Inode], socket)
				}
			}
		}
	}
	if len(nameless) == 0 {
		return nil
	}
	err := w.each(ctx, func(pid int) error { return w.nameHolder(ctx, pid, nameless) })
	for _, container := range w.containers {
		for i := range container.Forwards {
			forward := &container.Forwards[i]
			forward.Shadows = slices.DeleteFunc(forward.Shadows, func(socket snapshot.Socket) bool {
				return slices.ContainsFunc(socket.Holders, keepsPort) && nameless[socket.Inode] != nil
			})
		}
	}
	return err
}

// nameHolder notes that a process holds one of these sockets. What can't be listed stays
// nameless.
func (w *walk) nameHolder(ctx context.Context, pid int, nameless map[uint64][]*snapshot.Socket) error {
	process, err := w.fs.Open(pid)
	if err != nil {
		return nil // It has ended.
	}
	defer process.Close()
	_, _ = process.SocketInodes(ctx, func(inode uint64) {
		for _, socket := range nameless[inode] {
			socket.Holders = withHolder(socket.Holders, holderOf(process))
		}
	}, maxDescriptors)
	return ctx.Err()
}
