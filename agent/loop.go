// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/logkey"
	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// pause is the least time between two targeted scans: a container that restarts all the time
// must not keep the agent busy.
const pause = 50 * time.Millisecond

// What the looks at containers may cost that were started a while ago, or in which a program was
// started: with a probe in each of 110 pods every 10 s they would cost more than all the rest.
const (
	lookRate  = 0.003
	lookBurst = 150 * time.Millisecond
)

// loop scans what the timer and the queue ask for, and judges again when the policy changes,
// until the context ends.
func (a *Agent) loop(ctx context.Context) {
	select {
	case <-a.watcher.Attempted(): // An earlier scan could name no container.
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
			_, _ = a.queue.Take() // A full scan covers each of them.
		case <-a.queue.Ready():
			keys, full = a.queue.Take()
		case <-a.policyChanged():
			a.judgeAgain()
			continue
		case <-ctx.Done():
			return
		}
		if full {
			a.full(ctx)
			a.queue.Spent(0) // It would have been anyway.
			timer.Reset(jittered(a.config.Interval))
			continue
		}
		if len(keys) > 0 {
			before := processorTime()
			a.targeted(ctx, keys)
			a.queue.Spent(processorTime() - before)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// jittered returns a time that is up to a tenth longer or shorter.
func jittered(interval time.Duration) time.Duration {
	return time.Duration(float64(interval) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // It spreads load; guessing it gains nothing.
}

// processorTime returns what this process has used.
func processorTime() time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// mayEnter reports whether a container can enter a namespace of the host, as far as is known.
func (a *Agent) mayEnter(key inventory.Key) bool {
	known := a.known()
	if known == nil {
		return false // The first full scan is to come.
	}
	for i := range known.Containers {
		if container := &known.Containers[i]; container.Key() == key {
			return scan.MayEnter(&container.Container)
		}
	}
	return true
}

// full takes a full scan.
func (a *Agent) full(ctx context.Context) {
	snap, err := a.scan(ctx, fullScan, func(ctx context.Context, scanner *scan.Scanner) (*snapshot.Snapshot, error) {
		return scanner.Scan(ctx)
	})
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	a.note(snap, err)
	if ctx.Err() != nil && a.result.Load() != nil {
		return // A scan that was cut short by the end reports nothing new.
	}
	first := a.result.Load() == nil
	a.publish(snapshot.MergeFull(a.known(), snap))
	if first {
		close(a.scanned)
	}
}

// targeted scans the containers that changed. What fails is left to a full scan.
func (a *Agent) targeted(ctx context.Context, keys []inventory.Key) {
	before := a.known()
	if before == nil {
		a.queue.AddAll()
		return
	}
	snap, err := a.scan(ctx, targetedScan, func(ctx context.Context, scanner *scan.Scanner) (*snapshot.Snapshot, error) {
		return scanner.Containers(ctx, keys)
	})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		a.metrics.failed(stageScan)
		a.config.Logger.Error("Could not scan containers that changed", slog.Any(logkey.Error, err))
		if snap != nil { // If the runtime did not answer, the next connection brings a full scan.
			a.queue.AddAll()
		}
		return
	}
	if snap.Host.Reference == nsinspect.ByNone { // Nothing was compared: the full scan says why.
		a.queue.AddAll()
		return
	}
	a.publish(snapshot.MergeTargeted(before, snap, keys))
}

// scan runs a scan of a kind, within the time that it may take.
func (a *Agent) scan(ctx context.Context, kind string, run func(context.Context, *scan.Scanner) (*snapshot.Snapshot, error)) (*snapshot.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, a.config.Timeout)
	defer cancel()
	start := time.Now()
	a.busySince.Store(start.UnixNano())
	defer a.busySince.Store(0)
	snap, err := run(ctx, scan.New(scan.Config{
		Procfs:   a.config.Procfs,
		Node:     a.config.Node,
		Settle:   a.config.Settle,
		Source:   a.source,
		Hosts:    a.config.Hosts(a.watcher.DaemonPID()),
		Holders:  a.holders,
		Forwards: a.forwards,
		Depth:    a.config.Depth,
		Contexts: a.contexts,
	}))
	a.metrics.scanned(kind, start, time.Now(), err)
	return snap, err
}

// note records how a full scan ended.
func (a *Agent) note(snap *snapshot.Snapshot, err error) {
	ended := &ending{err: err, success: time.Now()}
	if err != nil {
		ended.success = time.Time{}
		if before := a.lastFull.Load(); before != nil {
			ended.success = before.success
		}
		a.metrics.failed(stageScan)
		a.config.Logger.Error("Could not scan the node", slog.Any(logkey.Error, err))
	}
	a.lastFull.Store(ended)
	a.noteHost(hostProblem(snap.Coverage.Gaps))
	for range snap.Inventory.Problems {
		a.metrics.failed(stageContainerd)
	}
}

// noteHost logs a missing host reference once, not at each scan.
func (a *Agent) noteHost(problem error) {
	logged := a.hostProblem != nil
	a.hostProblem = problem
	if problem == nil {
		return
	}
	a.metrics.failed(stageHost)
	if !logged {
		a.config.Logger.Error("No host reference, so no verdict", slog.Any(logkey.Error, problem))
	}
}

// known is the snapshot of what is known, or nil before the first scan.
func (a *Agent) known() *snapshot.Snapshot {
	if result := a.result.Load(); result != nil {
		return result.Snapshot
	}
	return nil
}

// policyChanged receives when the policy has changed: never, without one.
func (a *Agent) policyChanged() <-chan struct{} {
	if a.config.Policies == nil {
		return nil
	}
	return a.config.Policies.Changed()
}

// judgeAgain judges what is known by the policy that has changed: its findings end, and others
// begin, before the next scan.
func (a *Agent) judgeAgain() {
	if known := a.known(); known != nil {
		a.publish(known)
	}
}

// publish judges a snapshot and gives the result to all sinks.
func (a *Agent) publish(snap *snapshot.Snapshot) {
	result := a.config.Checks.Judge(snap)
	if a.config.Policies != nil {
		result = a.config.Policies.Current().Apply(result)
	}
	result = a.tracker.Next(result)
	a.result.Store(result)
	for _, sink := range a.config.Sinks {
		sink.Publish(result)
	}
}
