package agent

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/agent/watch"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// The stages that errors are counted by.
const (
	StageHost       = "host"
	StageContainerd = "containerd"
	StageScan       = "scan"
)

// Stages returns the stages that an Observer is told of.
func Stages() []string { return []string{StageHost, StageContainerd, StageScan} }

// Sink reports a node's state. Publish must not block; a sink may keep the result, and changes
// nothing in it.
type Sink interface {
	Publish(result *audit.Result)
}

// The kinds of scans, by how much they look at.
const (
	FullScan     = "full"
	TargetedScan = "targeted"
)

// Observer counts what the agent does.
type Observer interface {
	// ScanDone is told of each scan: how long it took, its error, and when it ended.
	ScanDone(kind string, took time.Duration, err error, ended time.Time)
	// Error is told of each failure at a stage.
	Error(stage string)
}

// Config is what an Agent works with.
type Config struct {
	// Scanner is how to look. The agent itself chooses the source and the hosts, and what is
	// remembered of open files.
	Scanner scan.Config
	// Dial connects to containerd.
	Dial watch.Dial
	// Hosts returns the processes that may stand for the host, the best first, where
	// containerd has this pid, or 0.
	Hosts func(daemon int) []nsinspect.HostCandidate
	// Interval is the time between full scans; each is up to a tenth longer or shorter, so
	// that the nodes of a cluster don't look all at once.
	Interval time.Duration
	// Timeout is the time that one scan may take.
	Timeout time.Duration
	// Sinks are given the result of every scan, one after another.
	Sinks    []Sink
	Observer Observer
	Logger   *slog.Logger
}

// Agent looks at a node time and again.
type Agent struct {
	config Config
	queue  *watch.Queue
	link   *watch.Watcher
	memory *inventory.Memory
	result atomic.Pointer[audit.Result]
	// busySince is when the scan began that is under way, in Unix nanoseconds, or 0.
	busySince atomic.Int64
	// fullScan is how the latest full scan ended.
	fullScan atomic.Pointer[ending]
	// hostProblem is why the latest full scan had no host reference; the loop's own.
	hostProblem error
}

// ending is how a scan ended, and when one succeeded the last time.
type ending struct {
	err     error
	success time.Time
}

// New returns an agent. It does nothing before Run or Once.
func New(config Config) *Agent {
	queue := watch.NewQueue()
	link := watch.New(config.Dial, queue, config.Logger)
	config.Scanner.Holders = new(scan.HolderCache)
	config.Scanner.Forwards = scan.NewForwardReader()
	return &Agent{config: config, queue: queue, link: link, memory: inventory.Remember(link)}
}

// Run looks until the context ends, whatever fails meanwhile.
func (a *Agent) Run(ctx context.Context) {
	var group errgroup.Group
	group.Go(func() error {
		a.link.Run(ctx)
		return nil
	})
	a.loop(ctx)
	_ = group.Wait() // The link returns no error: it goes on trying.
}

// Once takes one full scan, and returns what went wrong.
func (a *Agent) Once(ctx context.Context) error {
	runtime, daemon, err := a.config.Dial(ctx)
	a.link.Set(runtime, daemon, err)
	if err == nil {
		defer func() { _ = runtime.Close() }() // The answers are in.
	}
	a.full(ctx)
	return errors.Join(err, a.fullScan.Load().err, a.CheckHost())
}

// rest is the least time between two targeted scans: a container that starts and ends
// without a pause must not keep the agent busy.
const rest = 50 * time.Millisecond

func (a *Agent) loop(ctx context.Context) {
	select {
	case <-a.link.Tried: // A look before containerd was asked could name no container.
	case <-ctx.Done():
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		full := true
		var keys []inventory.Key
		select {
		case <-timer.C:
			_, _ = a.queue.Take() // A full scan is a look at each of them.
		case <-a.queue.Ready:
			keys, full = a.queue.Take()
		case <-ctx.Done():
			return
		}
		if full {
			a.full(ctx)
			timer.Reset(jittered(a.config.Interval))
			continue
		}
		if len(keys) > 0 {
			a.targeted(ctx, keys)
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return
		}
	}
}

// jittered returns a time that is up to a tenth longer or shorter.
func jittered(interval time.Duration) time.Duration {
	return time.Duration(float64(interval) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // It spreads load; nobody gains by guessing it.
}

// full takes a full scan.
func (a *Agent) full(ctx context.Context) {
	snap, err := a.look(ctx, FullScan, func(ctx context.Context, scanner *scan.Scanner) (*snapshot.Snapshot, error) {
		return scanner.Scan(ctx)
	})
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	a.note(snap, err)
	if ctx.Err() != nil && a.result.Load() != nil {
		return // A look that the end cut short tells nothing new.
	}
	a.publish(snapshot.MergeFull(a.known(), snap))
}

// targeted looks at the containers that changed. What fails is left to a full scan.
func (a *Agent) targeted(ctx context.Context, keys []inventory.Key) {
	before := a.known()
	if before == nil {
		a.queue.AddAll()
		return
	}
	snap, err := a.look(ctx, TargetedScan, func(ctx context.Context, scanner *scan.Scanner) (*snapshot.Snapshot, error) {
		return scanner.Containers(ctx, keys)
	})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		a.fail(StageScan, "look at a container that changed", err)
		if snap != nil { // Without an answer of containerd the next connection brings a full scan.
			a.queue.AddAll()
		}
		return
	}
	a.publish(snapshot.MergeTargeted(before, snap, keys))
}

// look takes a scan of a kind, within the time that it may take.
func (a *Agent) look(ctx context.Context, kind string, run func(context.Context, *scan.Scanner) (*snapshot.Snapshot, error)) (*snapshot.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, a.config.Timeout)
	defer cancel()
	start := time.Now()
	a.busySince.Store(start.UnixNano())
	defer a.busySince.Store(0)
	config := a.config.Scanner
	config.Source = a.memory
	config.Hosts = a.config.Hosts(a.link.DaemonPID())
	snap, err := run(ctx, scan.New(config))
	ended := time.Now()
	a.config.Observer.ScanDone(kind, ended.Sub(start), err, ended)
	return snap, err
}

// note records how a full scan ended.
func (a *Agent) note(snap *snapshot.Snapshot, err error) {
	ended := &ending{err: err, success: time.Now()}
	if err != nil {
		ended.success = time.Time{}
		if before := a.fullScan.Load(); before != nil {
			ended.success = before.success
		}
		a.fail(StageScan, "scan the node", err)
	}
	a.fullScan.Store(ended)
	a.noteHost(hostProblem(snap.Coverage.Gaps))
	for range snap.Inventory.Problems {
		a.config.Observer.Error(StageContainerd)
	}
}

// noteHost logs a missing host reference once, not at each scan.
func (a *Agent) noteHost(problem error) {
	said := a.hostProblem
	a.hostProblem = problem
	if problem == nil {
		return
	}
	a.config.Observer.Error(StageHost)
	if said == nil {
		a.config.Logger.Error("no verdict", slog.Any("error", problem))
	}
}

func (a *Agent) fail(stage, doing string, err error) {
	a.config.Observer.Error(stage)
	a.config.Logger.Error("could not "+doing, slog.Any("error", err)) //nolint:sloglint // Each caller gives a constant.
}

// known is the snapshot of what is known, or nil before the first scan.
func (a *Agent) known() *snapshot.Snapshot {
	if result := a.result.Load(); result != nil {
		return result.Snapshot
	}
	return nil
}

func (a *Agent) publish(snap *snapshot.Snapshot) {
	result := audit.Judge(snap)
	a.result.Store(result)
	for _, sink := range a.config.Sinks {
		sink.Publish(result)
	}
}
