package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/watch"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// daemon is a containerd that can be told what to do.
type daemon struct {
	mu         sync.Mutex
	containers map[inventory.Key]inventory.Container
	down       bool
	changes    chan inventory.Key
	broken     chan error
	dials      int
}

// reconnect is longer than the agent waits between two attempts to connect.
const reconnect = 5 * time.Second

var errDown = errors.New("connection refused")

func newDaemon(containers ...inventory.Container) *daemon {
	d := &daemon{
		containers: make(map[inventory.Key]inventory.Container),
		changes:    make(chan inventory.Key), broken: make(chan error),
	}
	for _, container := range containers {
		d.containers[container.Key()] = container
	}
	return d
}

func (d *daemon) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

func (d *daemon) dial(context.Context) (watch.Runtime, int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dials++
	if d.down {
		return nil, 0, errDown
	}
	return d, 0, nil
}

func (d *daemon) List(context.Context) (inventory.Inventory, []inventory.Container, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return inventory.Inventory{}, nil, errDown
	}
	var all []inventory.Container
	for _, container := range d.containers {
		all = append(all, container)
	}
	return inventory.Inventory{Source: inventory.FromContainerd}, all, nil
}

func (d *daemon) Get(_ context.Context, key inventory.Key) (inventory.Container, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return inventory.Container{}, errDown
	}
	return scantest.Source{ByID: map[string]inventory.Container{key.ID: d.containers[key]}}.Get(context.Background(), key)
}

func (d *daemon) Watch(ctx context.Context, subscribed func(), changed func(inventory.Key)) error {
	subscribed()
	for {
		select {
		case key := <-d.changes:
			changed(key)
		case err := <-d.broken:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *daemon) Close() error { return nil }

// observed is an agent's reporter and observer, and the agent itself under way.
type observed struct {
	agent *Agent
	mu    sync.Mutex
	scans map[string]int
	stage map[string]int
}

func (w *observed) Publish(*audit.Result) {}

func (w *observed) ScanDone(kind string, _ time.Duration, _ error, _ time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scans[kind]++
}

func (w *observed) Error(stage string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stage[stage]++
}

// count returns how many scans of a kind there were since the last question.
func (w *observed) count(kind string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.scans[kind]
	w.scans[kind] = 0
	return n
}

func (w *observed) containers() []string {
	lines := scantest.Outcome(w.agent.Result().Snapshot)
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "k8s.io/")
	}
	return lines
}

// watching runs an agent in a bubble of time until the test ends.
func watching(t *testing.T, d *daemon, procfs *nsinspect.FS) *observed {
	t.Helper()
	w := &observed{scans: make(map[string]int), stage: make(map[string]int)}
	w.agent = New(Config{
		Scanner: scan.Config{Procfs: procfs, Settle: scan.DefaultSettle},
		Dial:    d.dial,
		Hosts: func(int) []nsinspect.HostCandidate {
			return []nsinspect.HostCandidate{{Reference: nsinspect.ByPID1, PID: 1}}
		},
		Interval: 30 * time.Second, Timeout: time.Minute,
		Sinks: []Sink{w}, Observer: w, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { w.agent.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		ended.Wait()
	})
	time.Sleep(time.Second)
	return w
}

func check(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAgentFollowsEvents(t *testing.T) {
	t.Parallel()
	fs := scantest.Procfs(t, map[int]string{42: "/kubepods/" + scantest.HexID("a"), 43: "/kubepods/" + scantest.HexID("b")})
	synctest.Test(t, func(t *testing.T) {
		a, b := scantest.Named("a", inventory.Running, 42), scantest.Named("b", inventory.Running, 43)
		d := newDaemon(a)
		w := watching(t, d, fs)
		check(t, "full scans at the start", true, w.count(FullScan) >= 1)

		d.set(func() { d.containers[b.Key()] = b })
		d.changes <- b.Key()
		time.Sleep(time.Second)
		check(t, "targeted scans", 1, w.count(TargetedScan))
		check(t, "after b started", []string{"a running 1", "b running 1"}, w.containers())

		time.Sleep(70 * time.Second)
		check(t, "full scans in 70 seconds", 2, w.count(FullScan))

		scantest.Must(t, os.RemoveAll(filepath.Join(fs.Root(), "42")))
		d.set(func() { delete(d.containers, a.Key()) })
		d.changes <- a.Key()
		time.Sleep(time.Second)
		check(t, "after a was deleted", []string{"b running 1"}, w.containers())
	})
}

func TestAgentLooksAtAllWhenAsked(t *testing.T) {
	t.Parallel()
	fs := scantest.Procfs(t, map[int]string{})
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon()
		w := watching(t, d, fs)
		w.count(FullScan)
		w.agent.queue.AddAll()
		time.Sleep(time.Second)
		check(t, "full scans", 1, w.count(FullScan))
		check(t, "targeted scans", 0, w.count(TargetedScan))
	})
}

func TestAgentOutlivesContainerd(t *testing.T) {
	t.Parallel()
	fs := scantest.Procfs(t, map[int]string{42: "/kubepods/" + scantest.HexID("a")})
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon(scantest.Named("a", inventory.Running, 42))
		w := watching(t, d, fs)
		scantest.Must(t, w.agent.CheckContainerd())

		d.set(func() { d.down = true })
		d.broken <- errDown
		time.Sleep(time.Minute)
		check(t, "while containerd is down", []string{"a running 1"}, w.containers())
		findings := w.agent.Result().Findings
		if len(findings) != 1 || findings[0].Reason() != "HostNetworkShared" {
			t.Errorf("findings while containerd is down: %+v", findings)
		}
		if err := w.agent.CheckContainerd(); !errors.Is(err, errDown) || w.agent.Connected() {
			t.Errorf("CheckContainerd: %v, connected %v", err, w.agent.Connected())
		}
		scantest.Must(t, w.agent.CheckScan())

		d.set(func() { d.down = false })
		w.count(FullScan)
		time.Sleep(reconnect + time.Second)
		scantest.Must(t, w.agent.CheckContainerd())
		check(t, "full scan after it is back", true, w.count(FullScan) >= 1)
	})
}

func TestAgentWaitsForContainerd(t *testing.T) {
	t.Parallel()
	fs := scantest.Procfs(t, map[int]string{42: "/kubepods/" + scantest.HexID("a")})
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon(scantest.Named("a", inventory.Running, 42))
		d.down = true
		w := watching(t, d, fs)
		check(t, "by cgroups", []string{"/a unknown 1"}, w.containers())
		time.Sleep(time.Minute)
		d.set(func() {
			if d.dials < 10 || d.dials > 30 {
				t.Errorf("%d attempts to connect in a minute", d.dials)
			}
			d.down = false
		})
		time.Sleep(reconnect + time.Second)
		check(t, "once it is there", []string{"a running 1"}, w.containers())
	})
}

func TestAgentReportsNoHost(t *testing.T) {
	t.Parallel()
	fs := scantest.Procfs(t, map[int]string{42: "/kubepods/" + scantest.HexID("a")})
	synctest.Test(t, func(t *testing.T) {
		w := &observed{scans: make(map[string]int), stage: make(map[string]int)}
		agent := New(Config{
			Scanner: scan.Config{Procfs: fs}, Dial: newDaemon().dial,
			Hosts: func(int) []nsinspect.HostCandidate {
				return []nsinspect.HostCandidate{{Reference: nsinspect.ByPID1, PID: 9}}
			},
			Timeout: time.Minute, Observer: w, Logger: slog.New(slog.DiscardHandler),
		})
		if err := agent.CheckHost(); !errors.Is(err, errNoScan) {
			t.Errorf("before the first scan: %v", err)
		}
		if err := agent.Once(t.Context()); err == nil || !strings.Contains(err.Error(), "can be compared with the host") {
			t.Errorf("Once: %v", err)
		}
		check(t, "errors", map[string]int{StageHost: 1}, w.stage)
	})
}
