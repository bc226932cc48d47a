package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// Runtime is a connection to containerd.
type Runtime interface {
	inventory.Source
	// Watch calls changed for each container whose task started or ended, until the
	// connection breaks or the context ends.
	Watch(ctx context.Context, subscribed func(), changed func(inventory.Key)) error
	Close() error
}

// Dial finds containerd and connects to it. Daemon is its pid, or 0 where that can't be
// told.
type Dial func(ctx context.Context) (runtime Runtime, daemon int, err error)

// Pauses between attempts to connect.
const (
	minBackoff = 200 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// errNotConnected is the answer before the first attempt to connect.
var errNotConnected = errors.New("not connected to containerd yet")

// link keeps a connection to containerd, whose restarts it outlives, and fills the queue
// with the containers that change.
type Watcher struct {
	dial   Dial
	queue  *Queue
	logger *slog.Logger
	// tried is closed after the first attempt to connect.
	Tried chan struct{}

	mu      sync.Mutex
	runtime Runtime
	daemon  int
	err     error // Why there is no runtime.
}

func New(dial Dial, queue *Queue, logger *slog.Logger) *Watcher {
	return &Watcher{dial: dial, queue: queue, logger: logger, Tried: make(chan struct{}), err: errNotConnected}
}

// run connects, again and again, until the context ends.
func (l *Watcher) Run(ctx context.Context) {
	backoff, said := minBackoff, ""
	for first := true; ; first = false {
		began := time.Now()
		err := l.connect(ctx, first)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > maxBackoff {
			backoff, said = minBackoff, ""
		}
		if said != err.Error() { // Once, not at each attempt.
			said = err.Error()
			l.logger.Warn("no connection to containerd, trying again", slog.Any("error", err))
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// connect holds one connection for as long as it lasts.
func (l *Watcher) connect(ctx context.Context, first bool) error {
	runtime, daemon, err := l.dial(ctx)
	l.Set(runtime, daemon, err)
	if first {
		close(l.Tried)
	}
	if err != nil {
		return err
	}
	err = runtime.Watch(ctx, l.subscribed, l.queue.Add)
	l.Set(nil, 0, err)
	return errors.Join(err, runtime.Close())
}

// subscribed asks for a full scan: what happened before it, no event tells.
func (l *Watcher) subscribed() {
	l.logger.Info("connected to containerd")
	l.queue.AddAll()
}

func (l *Watcher) Set(runtime Runtime, daemon int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runtime, l.daemon, l.err = runtime, daemon, err
	if err != nil {
		l.runtime = nil
	}
}

// get returns the connection, or why there is none.
func (l *Watcher) Get_() (Runtime, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runtime == nil {
		return nil, fmt.Errorf("no connection to containerd: %w", l.err)
	}
	return l.runtime, nil
}

// daemonPID is the pid of containerd, or 0.
func (l *Watcher) DaemonPID() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.daemon
}

// List asks the containerd of the moment.
func (l *Watcher) List(ctx context.Context) (inventory.Inventory, []inventory.Container, error) {
	runtime, err := l.Get_()
	if err != nil {
		return inventory.Inventory{}, nil, err
	}
	return runtime.List(ctx)
}

// Get asks the containerd of the moment.
func (l *Watcher) Get(ctx context.Context, key inventory.Key) (inventory.Container, error) {
	runtime, err := l.Get_()
	if err != nil {
		return inventory.Container{}, err
	}
	return runtime.Get(ctx, key)
}
