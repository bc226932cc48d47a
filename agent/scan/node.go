// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

// judged are the kinds of namespaces that the checks are about.
func judged() []nsinspect.Kind {
	return []nsinspect.Kind{nsinspect.Net, nsinspect.PID, nsinspect.IPC}
}

// scope is what a scan is about.
type scope uint8

const (
	// wholeNode is every container, also those that only cgroups name.
	wholeNode scope = iota
	// listed is the containers of the inventory only: a targeted scan.
	listed
)

// node is what one scan looks at. The collaborators of a scan read it and change nothing in
// it.
type node struct {
	fs    *nsinspect.FS
	host  *nsinspect.Host
	ref   nsinspect.HostReference
	depth Depth
	// kinds are those of which the host's are shared on purpose or by mistake, and compared are
	// those in which undeclared sharing is looked at twice.
	kinds, compared []nsinspect.Kind
	owners          *owner.Attributor
	strays          *strays
	scope           scope
}

func newNode(config *Config, host *nsinspect.Host, containers []inventory.Container, scope scope) *node {
	ref := host.Ref()
	n := &node{
		fs: config.Procfs, host: host, ref: ref, depth: config.Depth,
		kinds: judged(), compared: config.Depth.compared(),
		owners: owner.New(ref, containers), scope: scope,
	}
	n.strays = newStrays(n)
	return n
}

// inits is what was learnt of the containers' init processes.
type inits struct {
	// misplaced are the containers whose init process is not in their cgroup.
	misplaced map[inventory.Key]bool
	// users are the user namespaces of those that are, where a container was given one.
	users map[inventory.Key]nsinspect.ID
}

// placeInits lets the attributor know where the containers' init processes are.
func (n *node) placeInits(b *builder, containers []inventory.Container) inits {
	found := inits{make(map[inventory.Key]bool), make(map[inventory.Key]nsinspect.ID)}
	if entries, err := n.cgroups(n.ref.PID); err == nil {
		n.owners.View(entries)
	}
	for i := range containers {
		container := &containers[i]
		if !container.Status.Live() || container.PID <= 0 {
			continue
		}
		err := n.placeInit(container, &found)
		if err != nil && !errors.Is(err, nsinspect.ErrVanished) {
			b.unread(b.container(container.Key()), causeOf(err), oneLine(err))
		}
	}
	n.placeMisplaced(containers, &found)
	n.owners.Finish(containers)
	return found
}

// placeMisplaced lets it be known in which namespaces the init processes are that have left their
// cgroup.
func (n *node) placeMisplaced(containers []inventory.Container, found *inits) {
	for i := range containers {
		container := &containers[i]
		if !found.misplaced[container.Key()] {
			continue
		}
		if process, err := n.fs.Open(container.PID); err == nil {
			n.strays.place(container, process, false)
			process.Close()
		}
	}
}

func (n *node) placeInit(container *inventory.Container, found *inits) error {
	process, err := n.fs.Open(container.PID)
	if err != nil {
		return err
	}
	defer process.Close()
	entries, err := cgroup.Read(process)
	if err != nil {
		return err
	}
	if !n.owners.Settle(container, entries) {
		found.misplaced[container.Key()] = true
		return nil
	}
	n.strays.place(container, process, true)
	if n.depth != Namespaces && hasUsers(container) {
		// What can't be read is unknown of the processes that it matters for.
		if id, err := process.Namespace(nsinspect.User); err == nil {
			found.users[container.Key()] = id
		}
	}
	return nil
}

// cgroups reads the cgroups of a process that is not kept open.
func (n *node) cgroups(pid int) ([]cgroup.Entry, error) {
	process, err := n.fs.Open(pid)
	if err != nil {
		return nil, err
	}
	defer process.Close()
	return cgroup.Read(process)
}

// each calls visit with every pid, and then with those that have come meanwhile: on a busy
// node a walk takes longer than some processes live, and these are few and met at once.
func (n *node) each(ctx context.Context, visit func(pid int) error) error {
	var before []int
	for range 2 {
		pids, err := n.fs.PIDs(ctx)
		if err != nil {
			return err
		}
		for _, pid := range pids {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, visited := slices.BinarySearch(before, pid); visited {
				continue
			}
			if err := visit(pid); err != nil {
				return err
			}
		}
		before = pids
	}
	return nil
}

// shares reports whether any thread is in a namespace of the host.
func (n *node) shares(record *snapshot.Process) bool {
	return slices.ContainsFunc(n.kinds, func(kind nsinspect.Kind) bool { return n.sharesKind(record, kind) })
}

func (n *node) sharesKind(record *snapshot.Process, kind nsinspect.Kind) bool {
	host, ok := n.ref.Namespaces.Get(kind)
	return ok && slices.ContainsFunc(record.Groups, func(group nsinspect.ThreadGroup) bool {
		id, ok := group.Namespaces.Get(kind)
		return ok && id == host
	})
}

// undeclared returns the kinds of namespaces that a process shares with the host though its
// container did not declare it.
func (n *node) undeclared(container *snapshot.Container, record *snapshot.Process) []nsinspect.Kind {
	var kinds []nsinspect.Kind
	for _, kind := range n.compared {
		if n.sharesKind(record, kind) && !n.asks(container, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// asks reports whether a container declares to share a kind. Nearly all share the host's users, some
// its name, and with cgroup v1 its cgroups: without the runtime spec it is not known who does not.
func (n *node) asks(container *snapshot.Container, kind nsinspect.Kind) bool {
	switch kind {
	case nsinspect.User, nsinspect.UTS, nsinspect.Cgroup:
		return container.SecuritySpec() == nil || container.Asks(kind)
	default:
		return container.Asks(kind)
	}
}
