package workshop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// heartbeat is how often a long step says that it is still at work.
const heartbeat = 15 * time.Second

// Progress tells people what is going on, and for how long.
type Progress struct {
	Program string // that is at work
	Out     io.Writer
}

// Say tells one thing.
func (p Progress) Say(format string, args ...any) {
	fmt.Fprintf(p.Out, p.Program+": "+format+"\n", args...)
}

// Step takes one long step, which may not take longer than limit.
func (p Progress) Step(ctx context.Context, what string, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("given up after %v", limit))
	defer cancel()
	start := time.Now()
	p.Say("%s", what)
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("%s: %w", what, because(ctx, err))
			}
			p.Say("%s: done in %s", what, Elapsed(start))
			return nil
		case <-beat.C:
			p.Say("%s ... %s", what, Elapsed(start))
		}
	}
}

// because puts the reason why a context ended before the error that it led to.
func because(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return errors.Join(context.Cause(ctx), err)
}

// Elapsed is the time that has passed, in the precision that people ask for.
func Elapsed(since time.Time) time.Duration { return time.Since(since).Round(time.Second) }
