// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errRefused = errors.New("connection refused")

// runtime is a container runtime that can be down, and whose connection breaks with what is
// sent to broken.
type runtime struct {
	mu     sync.Mutex
	down   bool
	dials  []time.Time
	closed int
	broken chan error
}

func (r *runtime) dial(context.Context) (Runtime, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dials = append(r.dials, time.Now())
	if r.down {
		return nil, 0, errRefused
	}
	return r, 7, nil
}

func (r *runtime) set(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

func (r *runtime) List(context.Context) (inventory.Inventory, []inventory.Container, error) {
	return inventory.Inventory{Source: inventory.FromContainerd}, []inventory.Container{{ID: "a"}}, nil
}

func (r *runtime) Get(_ context.Context, key inventory.Key) (inventory.Container, error) {
	return inventory.Container{ID: key.ID}, nil
}

func (r *runtime) Watch(ctx context.Context, subscribed func(), changed func(inventory.Key, inventory.Change)) error {
	subscribed()
	changed(inventory.Key{ID: "a"}, inventory.Ended)
	select {
	case err := <-r.broken:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *runtime) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed++
	return nil
}

// running runs a watcher of a runtime in a bubble of time until the test ends.
func running(t *testing.T, r *runtime) (*Watcher, *Queue, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	queue := NewQueue(Costs{}, nil)
	w := New(r.dial, queue, slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { w.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		ended.Wait()
		if r.closed != len(r.dials) && !r.down {
			t.Errorf("%d connections were made and %d closed", len(r.dials), r.closed)
		}
	})
	synctest.Wait()
	return w, queue, &log
}

func TestWatcherFillsTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, queue, _ := running(t, &runtime{broken: make(chan error)})
		select {
		case <-w.Attempted():
		default:
			t.Error("no attempt to connect")
		}
		if _, full := queue.Take(); !full {
			t.Error("no full scan after the subscription")
		}
		if w.Err() != nil || w.DaemonPID() != 7 {
			t.Errorf("error %v, daemon %d", w.Err(), w.DaemonPID())
		}
		if _, containers, err := w.List(t.Context()); len(containers) != 1 || err != nil {
			t.Errorf("containers %v, error %v", containers, err)
		}
		if container, err := w.Get(t.Context(), inventory.Key{ID: "a"}); container.ID != "a" || err != nil {
			t.Errorf("container %v, error %v", container, err)
		}
	})
}

func TestWatcherReconnects(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]error{"with an error": errRefused, "without an error": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &runtime{broken: make(chan error)}
				w, queue, _ := running(t, r)
				_, _ = queue.Take()
				r.broken <- broken
				synctest.Wait()
				if err := w.Err(); err == nil || w.DaemonPID() != 0 {
					t.Errorf("error %v, daemon %d, when the connection is broken", err, w.DaemonPID())
				}
				if _, _, err := w.List(t.Context()); err == nil {
					t.Error("a list without a connection")
				}
				if _, err := w.Get(t.Context(), inventory.Key{}); err == nil {
					t.Error("a container without a connection")
				}
				time.Sleep(minBackoff)
				synctest.Wait()
				if _, full := queue.Take(); w.Err() != nil || !full {
					t.Errorf("error %v, full scan %v, after the reconnection", w.Err(), full)
				}
			})
		})
	}
}

func TestWatcherRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &runtime{down: true, broken: make(chan error)}
		w, queue, log := running(t, r)
		<-w.Attempted()
		if err := w.Err(); !errors.Is(err, errRefused) {
			t.Errorf("error %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for i := 2; i < len(r.dials); i++ {
			pause, before := r.dials[i].Sub(r.dials[i-1]), r.dials[i-1].Sub(r.dials[i-2])
			if want := min(2*before, maxBackoff); pause != want {
				t.Errorf("pause %d is %s, want %s", i, pause, want)
			}
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1 {
			t.Errorf("%d lines of one error:\n%s", lines, log)
		}
		if _, full := queue.Take(); full {
			t.Error("a full scan without a connection")
		}
		r.set(false)
		time.Sleep(maxBackoff)
		synctest.Wait()
		if w.Err() != nil {
			t.Errorf("error %v when it is there", w.Err())
		}
		r.set(true) // So that the number of connections is not compared.
	})
}

func TestConnect(t *testing.T) {
	t.Parallel()
	r := &runtime{}
	w := New(r.dial, NewQueue(Costs{}, nil), slog.New(slog.DiscardHandler))
	if err := w.Err(); !errors.Is(err, errNotConnected) {
		t.Errorf("before: %v", err)
	}
	if err := w.Close(); err != nil || r.closed != 0 {
		t.Errorf("closed before it is connected: %v", err)
	}
	for range 2 {
		if err := w.Connect(t.Context()); err != nil || w.Err() != nil {
			t.Errorf("connected: %v, %v", err, w.Err())
		}
		if err := w.Close(); err != nil || w.Err() == nil {
			t.Errorf("closed: %v, %v", err, w.Err())
		}
	}
	if r.closed != 2 {
		t.Errorf("closed %d connections, want 2", r.closed)
	}
	r.set(true)
	if err := w.Connect(t.Context()); !errors.Is(err, errRefused) || !errors.Is(w.Err(), errRefused) {
		t.Errorf("refused: %v, %v", err, w.Err())
	}
}
