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
	fs     *nsinspect.FS
	host   *nsinspect.Host
	ref    nsinspect.HostReference
	kinds  []nsinspect.Kind
	owners *owner.Attributor
	scope  scope
}

func newNode(fs *nsinspect.FS, host *nsinspect.Host, containers []inventory.Container, scope scope) *node {
	ref := host.Ref()
	return &node{
		fs: fs, host: host, ref: ref, kinds: judged(),
		owners: owner.New(ref, containers), scope: scope,
	}
}

// placeInits lets the attributor know where the containers' init processes are. It returns
// the containers whose init process is not in their cgroup.
func (n *node) placeInits(b *builder, containers []inventory.Container) map[inventory.Key]bool {
	misplaced := make(map[inventory.Key]bool)
	if entries, err := n.cgroups(n.ref.PID); err == nil {
		n.owners.View(entries)
	}
	for i := range containers {
		container := &containers[i]
		if !container.Status.Live() || container.PID <= 0 {
			continue
		}
		entries, err := n.cgroups(container.PID)
		switch {
		case errors.Is(err, nsinspect.ErrVanished):
		case err != nil:
			b.unread(b.container(container.Key()), causeOf(err), oneLine(err))
		case !n.owners.Settle(container, entries):
			misplaced[container.Key()] = true
		}
	}
	n.owners.Finish(containers)
	return misplaced
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

// record makes the snapshot's record of a process, or nil if it is in no namespace.
func (n *node) record(process *nsinspect.Process, groups []nsinspect.ThreadGroup) *snapshot.Process {
	if len(groups) == 0 {
		return nil
	}
	record := &snapshot.Process{PID: process.PID(), Groups: groups}
	if n.shares(record) {
		// What it shares counts also where its name can't be read any more.
		record.Command, _ = process.Command()
	}
	return record
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
	for _, kind := range n.kinds {
		if n.sharesKind(record, kind) && !container.Declared.Asks(kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}
