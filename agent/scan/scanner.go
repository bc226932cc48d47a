package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// ScannerConfig is what a Scanner works with.
type Config struct {
	// Procfs is the procfs of the host.
	Procfs *nsinspect.FS
	// Source is containerd; nil without one. Containers are then recognised by their
	// cgroups.
	Source inventory.Source
	// Hosts are the processes that may stand for the host, the best first.
	Hosts []nsinspect.HostCandidate
	// Node is the machine's name.
	Node string
	// Settle is how long undeclared sharing has to last before it is believed. While a
	// runtime starts a process in a container, the runtime's own process is in the
	// container's cgroup before it has left the host's namespaces.
	Settle time.Duration
	// Files remembers who holds which socket from one scan to the next; nil looks at all open
	// files in each.
	Files *HolderCache
	// Forwards reads the host's packet filter, one scan after another; nil for a reader of
	// this scanner's own.
	Forwards *netfilter.Reader
	// Progress is told what the scanner does next; nil for nobody.
	Progress func(stage string)
}

// DefaultSettle is many times as long as a runtime takes from entering a container's
// cgroup to entering its namespaces.
const DefaultSettle = 200 * time.Millisecond

// Scanner takes snapshots of a node.
type Scanner struct {
	config Config
}

// NewScanner returns a scanner. It holds no resources of its own.
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
	snap, err := s.take(ctx, false, s.list)
	return snap, err
}

// take takes a snapshot of the containers that list returns; a targeted one is about no
// others.
func (s *Scanner) take(ctx context.Context, targeted bool, list func(context.Context) (inventory.Inventory, []inventory.Container)) (*snapshot.Snapshot, error) {
	start := time.Now()
	snap := &snapshot.Snapshot{Node: s.config.Node, Time: start.UTC().Truncate(time.Millisecond)}
	s.config.Progress("list containers")
	inv, containers := list(ctx)
	snap.Inventory = inv
	err := s.scan(ctx, snap, containers, targeted)
	snap.Duration = time.Since(start)
	return snap, err
}

func (s *Scanner) scan(ctx context.Context, snap *snapshot.Snapshot, containers []inventory.Container, targeted bool) error {
	s.config.Progress("find the host reference")
	host, hostErr := s.config.Procfs.Host(hostContainers, s.config.Hosts...)
	defer host.Close()
	snap.Host = host.Ref()
	w := newWalk(s.config.Procfs, snap, containers)
	w.host = host
	w.targeted = targeted
	defer w.close()
	if hostErr != nil {
		w.gap(snapshot.CauseHost, "no host reference: "+oneLine(hostErr))
	}
	err := s.walk(ctx, w)
	if err != nil {
		w.interrupt(err)
	}
	w.finish()
	denied := snap.Coverage.Denied > 0 || errors.Is(hostErr, nsinspect.ErrDenied)
	explainAccess(s.config.Procfs, &snap.Coverage, denied)
	return err
}

// walk reads the processes, and looks again where a first look does not settle it.
func (s *Scanner) walk(ctx context.Context, w *walk) error {
	w.settleInits(w.listed)
	w.sockets.deep = s.config.Files.begin(w.targeted)
	w.readSockets(ctx)
	s.config.Progress("read the processes")
	if err := w.processes(ctx); err != nil {
		return fmt.Errorf("read the processes: %w", err)
	}
	if len(w.suspects) > 0 {
		s.config.Progress("look again at undeclared sharing")
		if err := w.confirm(ctx, s.config.Settle); err != nil {
			return fmt.Errorf("look again at undeclared sharing: %w", err)
		}
	}
	if len(w.starting) > 0 {
		s.config.Progress("wait for programs that are being started")
		if err := w.awaitPrograms(ctx, s.config.Settle); err != nil {
			return fmt.Errorf("wait for programs that are being started: %w", err)
		}
	}
	s.config.Progress("read the host's ports")
	if err := w.ports(ctx, &s.config); err != nil {
		return fmt.Errorf("read the host's ports: %w", err)
	}
	s.config.Progress("ask containerd again about single containers")
	w.reconcile(ctx, s.config.Source)
	return ctx.Err()
}

// list asks the source. Without an answer the containers are known by their cgroups.
func (s *Scanner) list(ctx context.Context) (inventory.Inventory, []inventory.Container) {
	if s.config.Source == nil {
		return inventory.Inventory{Source: inventory.FromCgroups}, nil
	}
	inv, containers, err := s.config.Source.List(ctx)
	if err != nil {
		inv.Source = inventory.FromCgroups
		inv.Problems = append(inv.Problems, err.Error())
	}
	return inv, containers
}

// hostContainers returns the containers that the host reference is in.
func hostContainers(host *nsinspect.Process) ([]string, error) {
	entries, err := cgroup.Read(host)
	if err != nil {
		return nil, err
	}
	return owner.HostContainers(entries), nil
}
