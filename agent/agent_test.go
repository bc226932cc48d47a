// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/watch"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// daemon is a containerd that the test controls.
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

func (d *daemon) Watch(ctx context.Context, subscribed func(), changed func(inventory.Key, inventory.Change)) error {
	subscribed()
	for {
		select {
		case key := <-d.changes:
			changed(key, inventory.Started)
		case err := <-d.broken:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *daemon) Close() error { return nil }

// observed is an agent that runs, with its metrics.
type observed struct {
	agent    *Agent
	registry *prometheus.Registry
	// counted is how many scans of a kind there were at the last question.
	counted map[string]int
}

func (w *observed) Publish(*audit.Result) {}

// newObserved makes an agent that scans a procfs whose pid host stands for the host.
func newObserved(t *testing.T, d *daemon, procfs *nsinspect.FS, host int, checks ...string) *observed {
	t.Helper()
	w := &observed{registry: prometheus.NewRegistry(), counted: make(map[string]int)}
	var selection *audit.Selection
	var err error
	if len(checks) > 0 {
		selection, err = audit.ParseSelection(checks)
		scantest.Must(t, err)
	}
	w.agent, err = New(Config{
		Procfs: procfs, Settle: scan.DefaultSettle, Dial: d.dial,
		Hosts: func(int) []nsinspect.HostCandidate {
			return []nsinspect.HostCandidate{{Reference: nsinspect.ByPID1, PID: host}}
		},
		Interval: 30 * time.Second, Timeout: time.Minute, Depth: scan.Lean, Checks: selection,
		Sinks: []Sink{w}, Registerer: w.registry, Logger: slog.New(slog.DiscardHandler),
	})
	scantest.Must(t, err)
	return w
}

// count returns how many scans of a kind there were since the last question.
func (w *observed) count(t *testing.T, kind string) int {
	t.Helper()
	before := w.counted[kind]
	w.counted[kind] = series(t, w.registry)["nsaudit_scan_duration_seconds{"+kind+"}"]
	return w.counted[kind] - before
}

// series returns the value of each counter and gauge, and the count of each histogram, by
// its name and the values of its labels.
func series(t *testing.T, registry *prometheus.Registry) map[string]int {
	t.Helper()
	families, err := registry.Gather()
	scantest.Must(t, err)
	all := make(map[string]int)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetValue())
			}
			value := metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			name := fmt.Sprintf("%s{%s}", family.GetName(), strings.Join(labels, ","))
			all[name] = int(value) + int(metric.GetHistogram().GetSampleCount())
		}
	}
	return all
}

func (w *observed) containers() []string {
	lines := scantest.Outcome(w.agent.result.Load().Snapshot)
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "k8s.io/")
	}
	return lines
}

// watching runs an agent in a bubble of time until the test ends.
func watching(t *testing.T, d *daemon, procfs *nsinspect.FS) *observed {
	t.Helper()
	w := newObserved(t, d, procfs, 1)
	w.start(t)
	return w
}

// start runs the agent, and waits until it has scanned.
func (w *observed) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { w.agent.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		ended.Wait()
	})
	time.Sleep(time.Second)
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
		check(t, "full scans at the start", true, w.count(t, fullScan) >= 1)

		d.set(func() { d.containers[b.Key()] = b })
		d.changes <- b.Key()
		time.Sleep(time.Second)
		check(t, "targeted scans, at once and after half a second", 2, w.count(t, targetedScan))
		check(t, "after b started", []string{"a running 1", "b running 1"}, w.containers())

		time.Sleep(70 * time.Second)
		check(t, "full scans in 70 seconds", 2, w.count(t, fullScan))

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
		w.count(t, fullScan)
		w.agent.queue.AddAll()
		time.Sleep(time.Second)
		check(t, "full scans", 1, w.count(t, fullScan))
		check(t, "targeted scans", 0, w.count(t, targetedScan))
	})
}

func TestAgentOutlivesContainerd(t *testing.T) {
	t.Parallel()
	fs := scantest.Procfs(t, map[int]string{42: "/kubepods/" + scantest.HexID("a")})
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon(scantest.Named("a", inventory.Running, 42))
		w := watching(t, d, fs)
		scantest.Must(t, w.agent.CheckRuntime())

		d.set(func() { d.down = true })
		d.broken <- errDown
		time.Sleep(time.Minute)
		check(t, "while containerd is down", []string{"a running 1"}, w.containers())
		findings := w.agent.result.Load().Findings
		if len(findings) != 1 || findings[0].Reason() != "HostNetworkShared" {
			t.Errorf("findings while containerd is down: %+v", findings)
		}
		if err := w.agent.CheckRuntime(); !errors.Is(err, errDown) || w.agent.Connected() {
			t.Errorf("CheckRuntime: %v, connected %v", err, w.agent.Connected())
		}
		scantest.Must(t, w.agent.CheckScan())

		d.set(func() { d.down = false })
		w.count(t, fullScan)
		time.Sleep(reconnect + time.Second)
		scantest.Must(t, w.agent.CheckRuntime())
		check(t, "full scan after it is back", true, w.count(t, fullScan) >= 1)
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
		w := newObserved(t, newDaemon(), fs, 9)
		agent := w.agent
		if err := agent.CheckHost(); !errors.Is(err, errNoScan) {
			t.Errorf("before the first scan: %v", err)
		}
		check(t, "scanned before the first scan", false, scanned(agent))
		if err := agent.Once(t.Context()); err == nil || !strings.Contains(err.Error(), "can be compared with the host") {
			t.Errorf("Once: %v", err)
		}
		check(t, "scanned after a scan that failed", true, scanned(agent))
		check(t, "errors at the host", 1, series(t, w.registry)["nsaudit_errors_total{host}"])
		check(t, "errors of scans", 0, series(t, w.registry)["nsaudit_errors_total{scan}"])
	})
}

// TestAgentReadsWhatChecksNeed has an agent with a check of the security context, and one without.
func TestAgentReadsWhatChecksNeed(t *testing.T) {
	t.Parallel()
	for check, want := range map[string]bool{"HostNetwork": false, "RootUser": true} {
		t.Run(check, func(t *testing.T) {
			t.Parallel()
			fs := scantest.Procfs(t, map[int]string{42: "/kubepods/" + scantest.HexID("a")})
			// Not one of its files can be read.
			scantest.Must(t, os.Remove(filepath.Join(fs.Root(), "42", "mountinfo")))
			scantest.Must(t, os.Mkdir(filepath.Join(fs.Root(), "42", "mountinfo"), 0o755))
			synctest.Test(t, func(t *testing.T) {
				a := scantest.Named("a", inventory.Running, 42)
				a.Security = scantest.Confined(0)
				w := newObserved(t, newDaemon(a), fs, 1, check)
				scantest.Must(t, w.agent.Once(t.Context()))
				snap := w.agent.result.Load().Snapshot
				c := &snap.Containers[0]
				got := []bool{snap.HostSecurity != nil, len(c.Credentials) > 0, len(c.Unread.Security) > 0}
				if diff := cmp.Diff([]bool{want, want, want}, got); diff != "" {
					t.Errorf("the host's context, credentials and what is unknown of them (-want +got):\n%s\n%+v", diff, c)
				}
			})
		})
	}
}

func scanned(agent *Agent) bool {
	select {
	case <-agent.Scanned():
		return true
	default:
		return false
	}
}
