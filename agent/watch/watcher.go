// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// Runtime is a connection to a container runtime.
type Runtime interface {
	inventory.Source
	// Watch calls subscribed once the subscription holds, and then changed for each container
	// whose task started or ended, or in which a program was started, until the connection breaks or
	// the context ends.
	Watch(ctx context.Context, subscribed func(), changed func(inventory.Key, inventory.Change)) error
	Close() error
}

// Dial finds the container runtime and connects to it. Daemon is its pid, or 0 where that is
// not known.
type Dial func(ctx context.Context) (runtime Runtime, daemon int, err error)

var (
	// errNotConnected is the answer before the first attempt to connect.
	errNotConnected = errors.New("not connected to containerd yet")
	// errEnded is for a runtime that ends the connection without an error.
	errEnded = errors.New("containerd ended the connection")
)

// Watcher keeps a connection to the container runtime, whose restarts it outlives, and puts
// the containers that change into a queue. It is an [inventory.Source]: it asks the runtime
// that it is connected to.
type Watcher struct {
	dial   Dial
	queue  *Queue
	logger *slog.Logger
	// attempted is closed after the first attempt to connect.
	attempted chan struct{}
	once      sync.Once

	mu      sync.Mutex
	runtime Runtime
	daemon  int
	err     error // Why there is no runtime.
}

// New returns a watcher that is not connected. It fills the queue while Run runs.
func New(dial Dial, queue *Queue, logger *slog.Logger) *Watcher {
	return &Watcher{dial: dial, queue: queue, logger: logger, attempted: make(chan struct{}), err: errNotConnected}
}

// Attempted returns a channel that is closed after the first attempt to connect, successful
// or not.
func (w *Watcher) Attempted() <-chan struct{} { return w.attempted }

// Connect connects without watching, for a single scan. Close ends the connection.
func (w *Watcher) Connect(ctx context.Context) error {
	runtime, daemon, err := w.dial(ctx)
	w.set(runtime, daemon, err)
	w.once.Do(func() { close(w.attempted) })
	return err
}

// Close ends the connection, if there is one.
func (w *Watcher) Close() error {
	w.mu.Lock()
	runtime := w.runtime
	w.mu.Unlock()
	if runtime == nil {
		return nil
	}
	w.set(nil, 0, errNotConnected)
	return runtime.Close()
}

// Err returns nil, or why there is no connection.
func (w *Watcher) Err() error {
	_, err := w.connection()
	return err
}

// DaemonPID returns the pid of the runtime's daemon, or 0 where it is not known.
func (w *Watcher) DaemonPID() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.daemon
}

// List implements [inventory.Source].
func (w *Watcher) List(ctx context.Context) (inventory.Inventory, []inventory.Container, error) {
	runtime, err := w.connection()
	if err != nil {
		return inventory.Inventory{}, nil, err
	}
	return runtime.List(ctx)
}

// Get implements [inventory.Source].
func (w *Watcher) Get(ctx context.Context, key inventory.Key) (inventory.Container, error) {
	runtime, err := w.connection()
	if err != nil {
		return inventory.Container{}, err
	}
	return runtime.Get(ctx, key)
}

// connection returns the runtime, or why there is none.
func (w *Watcher) connection() (Runtime, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.runtime == nil {
		return nil, fmt.Errorf("no connection to containerd: %w", w.err)
	}
	return w.runtime, nil
}

func (w *Watcher) set(runtime Runtime, daemon int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runtime, w.daemon, w.err = runtime, daemon, err
	if err != nil {
		w.runtime = nil
	}
}
