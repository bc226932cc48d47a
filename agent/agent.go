// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/policy"
	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/watch"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// Sink reports a node's state. Publish must not block; a sink may keep the result, and changes
// nothing in it.
type Sink interface {
	Publish(result *audit.Result)
}

// Policies says which findings are expected.
type Policies interface {
	// Current returns the policy that is in force.
	Current() *policy.Policy
	// Changed receives when it has changed.
	Changed() <-chan struct{}
}

// Config is what an Agent works with.
type Config struct {
	// Procfs is the procfs of the host.
	Procfs *nsinspect.FS
	// Node is the machine's name.
	Node string
	// Settle is how long what was not declared has to last before it is believed.
	Settle time.Duration
	// Dial connects to the container runtime.
	Dial watch.Dial
	// Hosts returns the processes that may stand for the host, the best first, where the
	// runtime's daemon has this pid, or 0.
	Hosts func(daemon int) []nsinspect.HostCandidate
	// Interval is the time between full scans; each is up to a tenth longer or shorter, so
	// that the nodes of a cluster do not scan all at once.
	Interval time.Duration
	// Timeout is the time that one scan may take.
	Timeout time.Duration
	// Depth is how much of the security context a scan reads: nothing, if no check is wanted that
	// needs it.
	Depth scan.Depth
	// Checks are the findings that are wanted; nil for the default.
	Checks *audit.Selection
	// Policies has the policy; nil for none.
	Policies Policies
	// Sinks are given the result of every scan, one after another.
	Sinks []Sink
	// Registerer takes the agent's own metrics.
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

// Agent scans a node periodically, and single containers when they change.
type Agent struct {
	config  Config
	metrics *metrics
	queue   *watch.Queue
	watcher *watch.Watcher
	// source names the containers; holders, contexts and forwards are what scans keep for the next.
	source   inventory.Source
	holders  *scan.HolderCache
	contexts *scan.ContextCache
	forwards *netfilter.Reader
	result   atomic.Pointer[audit.Result]
	// tracker knows the findings of the result before. Only the loop uses it.
	tracker audit.Tracker
	// busySince is when the scan began that is running, in Unix nanoseconds, or 0.
	busySince atomic.Int64
	// scanned is closed once the first full scan has ended and its result is published.
	scanned chan struct{}
	// lastFull is how the latest full scan ended.
	lastFull atomic.Pointer[ending]
	// hostProblem is why the latest full scan had no host reference. Only the loop uses it.
	hostProblem error
}

// ending is how a scan ended, and when one succeeded the last time.
type ending struct {
	err     error
	success time.Time
}

// New returns an agent. It does nothing before Run or Once.
func New(config Config) (*Agent, error) {
	a := &Agent{
		config:   config,
		holders:  new(scan.HolderCache),
		contexts: new(scan.ContextCache),
		forwards: scan.NewForwardReader(),
		scanned:  make(chan struct{}),
	}
	a.queue = watch.NewQueue(watch.Costs{Rate: lookRate, Burst: lookBurst}, a.mayEnter)
	a.watcher = watch.New(config.Dial, a.queue, config.Logger)
	a.source = inventory.Remember(a.watcher)
	if a.config.Checks == nil {
		a.config.Checks = audit.DefaultSelection()
	}
	if !a.config.Checks.NeedsSecurity() {
		a.config.Depth = scan.Namespaces
	}
	var err error
	a.metrics, err = newMetrics(config.Registerer, a.Connected)
	return a, err
}

// Run scans until the context ends, whatever fails meanwhile.
func (a *Agent) Run(ctx context.Context) {
	var group errgroup.Group
	group.Go(func() error {
		a.watcher.Run(ctx)
		return nil
	})
	a.loop(ctx)
	_ = group.Wait() // The watcher returns no error: it retries.
}

// Once takes one full scan, and returns what went wrong.
func (a *Agent) Once(ctx context.Context) error {
	err := a.watcher.Connect(ctx)
	defer func() { _ = a.watcher.Close() }() // The answers are in.
	a.full(ctx)
	return errors.Join(err, a.lastFull.Load().err, a.CheckHost())
}
