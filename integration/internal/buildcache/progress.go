// SPDX-License-Identifier: Apache-2.0

package buildcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// heartbeat is how often a long step reports that it still runs.
const heartbeat = 15 * time.Second

// Progress reports to people what a command does, and for how long.
type Progress struct {
	Program string // name of the command
	Out     io.Writer
}

// Logf prints one line.
func (p Progress) Logf(format string, args ...any) {
	fmt.Fprintf(p.Out, p.Program+": "+format+"\n", args...)
}

// Step runs one long step, which may take no longer than limit.
func (p Progress) Step(ctx context.Context, what string, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("given up after %v", limit))
	defer cancel()
	start := time.Now()
	p.Logf("%s", what)
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("%s: %w", what, withCause(ctx, err))
			}
			p.Logf("%s: done in %s", what, Elapsed(start))
			return nil
		case <-beat.C:
			p.Logf("%s ... %s", what, Elapsed(start))
		}
	}
}

// withCause puts the cause of a context's end before the error that it led to.
func withCause(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return errors.Join(context.Cause(ctx), err)
}

// Elapsed returns the time since, in seconds.
func Elapsed(since time.Time) time.Duration { return time.Since(since).Round(time.Second) }
