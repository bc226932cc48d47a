// SPDX-License-Identifier: Apache-2.0

package events

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// workers is how many Events are sent at a time.
const workers = 4

// Run delivers Events until the context ends, and then returns nil. What is still pending
// then is for Flush.
func (r *Reporter) Run(ctx context.Context) error {
	stop := r.start(ctx, false)
	defer stop()
	<-ctx.Done()
	return nil
}

// Flush delivers what is pending, without waiting for when it is due, and returns once all of it
// is delivered, or with an error when the context ends. It is for after Run, or without it: while
// Run runs, Flush waits.
func (r *Reporter) Flush(ctx context.Context) error {
	stop := r.start(ctx, true)
	defer stop()
	for {
		pending := r.Pending()
		if pending == 0 {
			return nil
		}
		select {
		case <-r.progress:
		case <-ctx.Done():
			return unsent(pending, ctx.Err(), r.Err())
		}
	}
}

// unsent puts the error last that people can do something about, if one is known.
func unsent(pending int, ended, problem error) error {
	if problem == nil {
		return fmt.Errorf("flush events: %d are pending: %w", pending, ended)
	}
	return fmt.Errorf("flush events: %d are pending (%w): %w", pending, ended, problem)
}

// start lets workers deliver until the context ends or the function that it returns is
// called, which waits for them. In a hurry, nothing that is pending waits for when it is due.
func (r *Reporter) start(ctx context.Context, hurry bool) (stop func()) {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	queue := newQueue()
	r.setQueue(queue, hurry)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() { r.work(ctx, queue) })
	}
	context.AfterFunc(ctx, queue.ShutDown)
	return func() {
		r.setQueue(nil, false)
		cancel()
		group.Wait()
		<-r.turn
	}
}

// setQueue changes the queue and puts all that is known into it.
func (r *Reporter) setQueue(queue queue, hurry bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue, r.hurry = queue, hurry
	now := time.Now()
	for _, s := range r.states {
		r.enqueue(s, now)
		r.scheduleEnd(s, now)
	}
}

// enqueue lets an Event be sent when it is due.
func (r *Reporter) enqueue(s *state, now time.Time) {
	if r.hurry && s.pending() {
		s.due = now
	}
	if r.queue != nil && !s.due.IsZero() {
		r.queue.AddAfter(s, s.due.Sub(now))
	}
}

func (r *Reporter) work(ctx context.Context, queue queue) {
	for {
		s, ended := queue.Get()
		if ended {
			return
		}
		// A queue that is shut down still hands out what is in it.
		if ctx.Err() == nil {
			r.process(ctx, queue, s)
		}
		queue.Done(s)
	}
}

// process sends an Event if it is due, and puts it back into the queue.
func (r *Reporter) process(ctx context.Context, queue queue, s *state) {
	next, ok := r.begin(s)
	if ok && !next.free {
		if !r.pay(ctx, queue) {
			return
		}
		next, ok = r.begin(s) // It took a while.
	}
	if !ok {
		queue.Forget(s)
		return
	}
	count, result, err := r.client.deliver(ctx, next)
	switch {
	case err == nil:
		r.succeed(s, next, count)
	case ctx.Err() != nil:
		// The error is the end of the context, not the API server's.
		return
	default:
		result = r.fail(s, count, err)
	}
	if result == Failed {
		queue.AddRateLimited(s)
	} else {
		queue.Forget(s)
	}
	r.attempts.WithLabelValues(string(result)).Inc()
	select {
	case r.progress <- struct{}{}:
	default:
	}
}
