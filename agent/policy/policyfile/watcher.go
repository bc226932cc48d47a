// SPDX-License-Identifier: Apache-2.0

// Package policyfile reads a policy from a file, and again whenever the file changes.
//
// A version that can't be used leaves the one before it in force. There is none before the
// first: then nothing is expected but what the built-in rule expects.
package policyfile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nsaudit/nsaudit/agent/logkey"
	"github.com/nsaudit/nsaudit/agent/policy"
)

// How often the file is read. It is read whole: a ConfigMap's file is a link to a link that is
// replaced, and times and sizes of two versions can be the same. A change counts once it was
// read twice, so that what is being written does not.
const (
	interval = 5 * time.Second
	confirm  = time.Second
)

// Config is what a Watcher works with.
type Config struct {
	// Path is the file.
	Path string
	// PodUID is the agent's own pod, for the built-in rule; empty outside a cluster.
	PodUID string
	// Notice is given the reason why the file can't be used, and nil once it can. Nil if that
	// interests nobody.
	Notice func(problem error)
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

// Watcher has the policy of a file.
type Watcher struct {
	config  Config
	current atomic.Pointer[policy.Policy]
	changed chan struct{}
	state   atomic.Pointer[state]
	// before is what was read last, if it has not been taken yet. Only Run uses it.
	before *version
}

// version is what a read of the file has given: a text, or an error.
type version struct {
	text []byte
	err  error
}

// same reports whether two reads have given the same.
func (v *version) same(other *version) bool {
	if v.err != nil || other.err != nil {
		return v.err != nil && other.err != nil && v.err.Error() == other.err.Error()
	}
	return bytes.Equal(v.text, other.text)
}

// state is what came of the version that was taken last.
type state struct {
	version
	// problem is why it can't be used.
	problem error
	// loaded is when a version could be used the last time; the zero time for never.
	loaded time.Time
}

// New reads the file, and returns a watcher whether or not that has worked: see Err.
func New(config Config) (*Watcher, error) {
	w := &Watcher{config: config, changed: make(chan struct{}, 1)}
	w.current.Store(policy.Empty().WithSelf(config.PodUID))
	w.state.Store(new(state))
	w.take(w.read())
	if err := w.register(); err != nil {
		return nil, err
	}
	return w, nil
}

// Run reads the file again whenever it has changed, until the context ends.
func (w *Watcher) Run(ctx context.Context) {
	w.notice()
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		timer.Reset(w.look())
	}
}

// Current returns the policy that is in force.
func (w *Watcher) Current() *policy.Policy { return w.current.Load() }

// Changed receives when the policy has changed.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Err returns why the file can't be used, and what holds instead, or nil.
func (w *Watcher) Err() error {
	now := w.state.Load()
	switch {
	case now.problem == nil:
		return nil
	case now.loaded.IsZero():
		return fmt.Errorf("policy %s: %w: until that is corrected nothing is expected but the agent's own pod", w.config.Path, now.problem)
	}
	return fmt.Errorf("policy %s: %w: until that is corrected the version of %s stays in force", w.config.Path, now.problem, now.loaded.UTC().Format(time.RFC3339))
}

// look reads the file, and returns when to do so again.
func (w *Watcher) look() time.Duration {
	read := w.read()
	before := w.before
	w.before = nil
	switch {
	case read.same(&w.state.Load().version):
	case before == nil || !read.same(before):
		w.before = read
		return confirm
	default:
		w.take(read)
		w.notice()
	}
	return interval
}

// read reads the file. What is no regular file gives an error or an empty text, and does not
// block.
func (w *Watcher) read() *version {
	file, err := os.OpenFile(w.config.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return &version{err: fmt.Errorf("%w: name another file with --policy, or leave it out", err)}
	}
	defer func() { _ = file.Close() }() // It was only read.
	text, err := io.ReadAll(io.LimitReader(file, policy.MaxText+1))
	if err != nil {
		return &version{err: fmt.Errorf("%w: name a file with --policy", err)}
	}
	return &version{text: text}
}

// take puts a version in force, or notes why that can't be.
func (w *Watcher) take(read *version) {
	now := &state{version: *read, problem: read.err, loaded: w.state.Load().loaded}
	var parsed *policy.Policy
	if now.problem == nil {
		parsed, now.problem = policy.Parse(read.text)
	}
	if now.problem != nil {
		w.state.Store(now)
		w.config.Logger.Error("Could not use the policy", slog.Any(logkey.Error, w.Err()))
		return
	}
	now.loaded = time.Now()
	w.state.Store(now)
	w.current.Store(parsed.WithSelf(w.config.PodUID))
	active, expired := parsed.Count(now.loaded)
	w.config.Logger.Info("Loaded the policy",
		slog.String(logkey.File, w.config.Path), slog.Int(logkey.Rules, active), slog.Int(logkey.Expired, expired))
	select {
	case w.changed <- struct{}{}:
	default: // It has not been received yet, and will be.
	}
}

func (w *Watcher) notice() {
	if w.config.Notice != nil {
		w.config.Notice(w.Err())
	}
}
