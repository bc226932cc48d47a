package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// heartbeat is how often a long step says that it is still at work.
const heartbeat = 15 * time.Second

// progress tells what is going on, and for how long.
type progress struct{ out io.Writer }

func (p progress) say(format string, args ...any) {
	fmt.Fprintf(p.out, "kind: "+format+"\n", args...)
}

// step runs one long step, which may not take longer than limit.
func (p progress) step(ctx context.Context, what string, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("given up after %v", limit))
	defer cancel()
	start := time.Now()
	p.say("%s", what)
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
			p.say("%s: done in %s", what, elapsed(start))
			return nil
		case <-beat.C:
			p.say("%s ... %s", what, elapsed(start))
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

func elapsed(since time.Time) time.Duration { return time.Since(since).Round(time.Second) }
