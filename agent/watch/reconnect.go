// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nsaudit/nsaudit/agent/logkey"
)

// Pauses between attempts to connect.
const (
	minBackoff = 200 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// Run connects and watches until the context ends, and reconnects whenever the connection
// breaks.
func (w *Watcher) Run(ctx context.Context) {
	backoff, logged := minBackoff, ""
	for {
		began := time.Now()
		err := w.watch(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > maxBackoff {
			backoff, logged = minBackoff, ""
		}
		if logged != err.Error() { // Once, not at each attempt.
			logged = err.Error()
			w.logger.Warn("No connection to containerd, retrying", slog.Any(logkey.Error, err))
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// watch holds one connection for as long as it lasts, and returns why it ended.
func (w *Watcher) watch(ctx context.Context) error {
	if err := w.Connect(ctx); err != nil {
		return err
	}
	runtime, err := w.connection()
	if err != nil {
		return err
	}
	err = cmp.Or(runtime.Watch(ctx, w.subscribed, w.queue.Changed), errEnded)
	w.set(nil, 0, err)
	return errors.Join(err, runtime.Close())
}

// subscribed asks for a full scan: no event reports what happened before it.
func (w *Watcher) subscribed() {
	w.logger.Info("Connected to containerd")
	w.queue.AddAll()
}
