// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// Config is what a Scanner works with.
type Config struct {
	// Procfs is the procfs of the host.
	Procfs *nsinspect.FS
	// Source is the container runtime; nil without one. Containers are then recognised by
	// their cgroups.
	Source inventory.Source
	// Hosts are the processes that may stand for the host, the best first.
	Hosts []nsinspect.HostCandidate
	// Node is the machine's name.
	Node string
	// Settle is how long what was not declared has to last before it is believed. While a
	// runtime starts a process in a container, the runtime's own process is in the
	// container's cgroup before it has left the host's namespaces.
	Settle time.Duration
	// Holders remembers who holds which socket from one scan to the next; nil lists the open
	// files of all processes in each.
	Holders *HolderCache
	// Forwards reads the host's packet filter, one scan after another; nil for a reader of
	// this scanner's own.
	Forwards *netfilter.Reader
	// Depth is how much of the security context is read.
	Depth Depth
	// Contexts remembers what a lean scan does not read each time; nil remembers nothing.
	Contexts *ContextCache
	// Random returns a number from 0 to less than 1, by which a scan chooses when it looks again; nil for
	// one that nobody can guess.
	Random func() float64
	// Progress is called with what the scanner does next; nil for no calls.
	Progress func(stage string)
}

// DefaultSettle is many times as long as a runtime takes from entering a container's
// cgroup to entering its namespaces.
const DefaultSettle = 200 * time.Millisecond

// Scanner takes snapshots of a node.
type Scanner struct {
	config Config
}

// New returns a scanner. It holds no resources of its own.
func New(config Config) *Scanner {
	if config.Progress == nil {
		config.Progress = func(string) {}
	}
	if config.Forwards == nil {
		config.Forwards = NewForwardReader()
	}
	return &Scanner{config: config}
}

// Scan looks at the whole node once. What could not be seen is part of the snapshot; the
// error is for a node that could not be looked at: its procfs can't be listed, or the
// context ended. The snapshot then holds what was found until then.
func (s *Scanner) Scan(ctx context.Context) (*snapshot.Snapshot, error) {
	start := time.Now()
	s.config.Progress("list containers")
	inv, containers := s.list(ctx)
	return s.take(ctx, start, inv, containers, wholeNode)
}

// Containers looks at single containers: the processes of the node are listed and
// attributed, but only those of these containers are read. A container that is gone, or
// has no process, is not in the snapshot. The error is also for a runtime that can't say
// who a container is; the snapshot is then nil.
func (s *Scanner) Containers(ctx context.Context, keys []inventory.Key) (*snapshot.Snapshot, error) {
	start := time.Now()
	s.config.Progress("list containers")
	containers, err := s.get(ctx, keys)
	if err != nil {
		return nil, err
	}
	return s.take(ctx, start, inventory.Inventory{Source: inventory.FromContainerd}, containers, listed)
}

// take takes a snapshot of a scope, with the containers of an inventory.
func (s *Scanner) take(ctx context.Context, start time.Time, inv inventory.Inventory, containers []inventory.Container, scope scope) (*snapshot.Snapshot, error) {
	s.config.Progress("find the host reference")
	_, coveredErr := s.config.Procfs.FindCovered() // Each process that is covered is met by the walk.
	host, hostErr := s.config.Procfs.Host(hostContainers, s.config.Hosts...)
	snap := &snapshot.Snapshot{
		Node: s.config.Node, Time: start.UTC().Truncate(time.Millisecond),
		Host: host.Ref(), Inventory: inv,
	}
	l := newLook(ctx, &s.config, host, snap, containers, scope)
	defer l.close()
	if hostErr != nil {
		l.builder.gap(snapshot.CauseHost, "no host reference: "+oneLine(hostErr))
	}
	defer host.Close() // It is one that knows nothing after an error.
	if coveredErr != nil {
		l.builder.gap(snapshot.CauseRead, oneLine(coveredErr))
	}
	err := l.run(ctx)
	l.builder.findCovered(s.config.Procfs)
	if err != nil {
		l.builder.interrupt(err)
	}
	l.builder.finish()
	denied := snap.Coverage.Denied > 0 || errors.Is(hostErr, nsinspect.ErrDenied)
	explainAccess(s.config.Procfs, l.builder, denied)
	snap.Duration = time.Since(start)
	return snap, err
}

// hostContainers returns the containers that the host reference is in.
func hostContainers(host *nsinspect.Process) ([]string, error) {
	entries, err := cgroup.Read(host)
	if err != nil {
		return nil, err
	}
	return owner.HostContainers(entries), nil
}
