// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"

	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

// surveyor reads every process of the node once: whose it is, and in which namespaces its
// threads are.
type surveyor struct {
	node      *node
	builder   *builder
	inspector *inspector
	settler   *settler
	sockets   *socketFinder
	files     *fileWalk
}

// processes visits every process of the node.
func (s *surveyor) processes(ctx context.Context) error {
	return s.node.each(ctx, func(pid int) error {
		s.builder.snap.Coverage.Processes++
		process, err := s.node.fs.Open(pid)
		if err == nil {
			err = s.visit(ctx, process)
		}
		return s.builder.count(pid, err)
	})
}

// visit looks at one process and closes it, unless it is kept for a second look.
func (s *surveyor) visit(ctx context.Context, process *nsinspect.Process) error {
	keep := false
	defer func() {
		if !keep {
			process.Close()
		}
	}()
	whose, err := attribute(ctx, s.node, s.builder, process)
	if err != nil {
		return err
	}
	s.sockets.runs(process.PID())
	container := whose.container
	if container == nil {
		s.files.other(process.PID(), whose.other)
		return nil
	}
	found, err := s.survey(ctx, process, container)
	if err != nil || found.record == nil {
		return err
	}
	record := found.record
	record.Left = whose.left
	if !s.builder.add(container, record, s.node.shares(record) || len(found.weak) > 0) {
		return nil
	}
	if process.PID() == container.PID {
		container.Age, _ = process.Age() // 0 stands for a container that may still be starting.
		s.inspector.visitInit(ctx, process, container)
	}
	keep = s.settler.keep(ctx, process, container, found)
	return nil
}

// attribution is whose a process is.
type attribution struct {
	// container is nil for a process of the host, or of a container that the scan is not about, of
	// which other is then the ID.
	container *snapshot.Container
	other     string
	// left says that it is not in the container's cgroup.
	left bool
}

// owned returns the container that a process belongs to, or nil for a process of the host. A
// targeted scan is about no container that is not in its inventory.
func owned(ctx context.Context, n *node, b *builder, process *nsinspect.Process) (*snapshot.Container, error) {
	whose, err := attribute(ctx, n, b, process)
	return whose.container, err
}

// openOwned opens a process, and returns the container that it belongs to as owned does. The caller closes
// the process.
func openOwned(ctx context.Context, n *node, b *builder, pid int) (*nsinspect.Process, *snapshot.Container, error) {
	process, err := n.fs.Open(pid)
	if err != nil {
		return nil, nil, err
	}
	container, err := owned(ctx, n, b, process)
	if err != nil {
		process.Close()
		return nil, nil, err
	}
	return process, container, nil
}

// attribute is owned with more.
func attribute(ctx context.Context, n *node, b *builder, process *nsinspect.Process) (attribution, error) {
	entries, err := cgroup.ReadLive(ctx, process)
	if err != nil {
		return attribution{}, err
	}
	found := n.owners.Attribute(entries)
	if key, left := n.strays.of(ctx, process, found); left {
		if !found.IsListed() || n.strays.isInMountsOf(process, key) {
			return attribution{container: b.container(key), left: true}, nil
		}
		// A process of the one may have gone into the other's cgroup, or into its PID namespace.
		found.Kind, found.Rival = owner.Contested, key
	}
	if n.scope == listed && !found.InInventory() {
		return attribution{other: found.Ref.ID}, nil
	}
	return attribution{container: b.claim(process.PID(), found)}, nil
}

// survey reads a container's process.
func (s *surveyor) survey(ctx context.Context, process *nsinspect.Process, container *snapshot.Container) (*inspected, error) {
	found, err := s.inspector.inspect(ctx, process, container, nil)
	if err != nil {
		if !errors.Is(err, nsinspect.ErrVanished) {
			s.builder.unread(container, causeOf(err), oneLine(err))
		}
		return nil, err
	}
	s.builder.countThreads(container, process.PID(), found.seen)
	return found, nil
}
