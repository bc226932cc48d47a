// SPDX-License-Identifier: Apache-2.0

package policyfile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/policy"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// text is a policy with rules of these names.
func text(names ...string) string {
	var b strings.Builder
	b.WriteString("apiVersion: nsaudit.io/v1alpha1\nkind: Policy\nrules:\n")
	for _, name := range names {
		fmt.Fprintf(&b, "- {name: %s, reason: r, namespaces: [kube-system]}\n", name)
	}
	return b.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

// names are the rules of a policy.
func names(p *policy.Policy) string {
	var all []string
	for _, use := range p.Apply(&audit.Result{Snapshot: new(snapshot.Snapshot)}).Rules {
		all = append(all, use.Rule)
	}
	return strings.Join(all, " ")
}

// watched is a watcher that runs, in a bubble of time.
type watched struct {
	*Watcher
	registry *prometheus.Registry
	// notices are what it has said.
	mu      sync.Mutex
	notices []string
}

func watch(t *testing.T, path, podUID string) *watched {
	t.Helper()
	w := &watched{registry: prometheus.NewPedanticRegistry()}
	var err error
	w.Watcher, err = New(Config{
		Path: path, PodUID: podUID, Registerer: w.registry, Logger: slog.New(slog.DiscardHandler),
		Notice: func(problem error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.notices = append(w.notices, fmt.Sprint(problem))
		},
	})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { w.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		ended.Wait()
	})
	return w
}

// wait waits until a change of the file has been seen, if there was one.
func wait() {
	time.Sleep(interval + 2*confirm)
	synctest.Wait()
}

// said returns what notices there were since the last question, without the file's name.
func (w *watched) said() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var said []string
	for _, notice := range w.notices {
		said = append(said, strings.ReplaceAll(notice, w.config.Path, "FILE"))
	}
	w.notices = nil
	return said
}

// metrics returns the gauges, but for when the policy was loaded.
func (w *watched) metrics(t *testing.T) string {
	t.Helper()
	families, err := w.registry.Gather()
	must(t, err)
	var all []string
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := strings.TrimPrefix(family.GetName(), "nsaudit_policy_")
			for _, label := range metric.GetLabel() {
				name += " " + label.GetValue()
			}
			all = append(all, fmt.Sprintf("%s %v", name, metric.GetGauge().GetValue()))
		}
	}
	return strings.Join(all, ", ")
}

func check(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// start is when time begins in a bubble.
const start = 946684800

// TestReload has a file through what happens to files.
func TestReload(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, path, text("a"))
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, path, "uid")
		wait()
		check(t, "rules", "nsaudit a", names(w.Current()))
		check(t, "notices at the start", []string{"<nil>"}, w.said())
		<-w.Changed()

		wait()
		select {
		case <-w.Changed():
			t.Error("a file that is as it was has changed")
		default:
		}

		write(t, path, text("a", "b"))
		wait()
		check(t, "rules after a change", "nsaudit a b", names(w.Current()))
		check(t, "notices after a change", []string{"<nil>"}, w.said())
		<-w.Changed()
		loaded := start + 16 // The third read is at 15 seconds, and is confirmed after one.
		check(t, "metrics after a change",
			fmt.Sprintf("last_reload_success_timestamp_seconds %v, last_reload_successful 1, rules active 2, rules expired 0", float64(loaded)), w.metrics(t))

		write(t, path, "kind: Policy\n")
		wait()
		check(t, "rules of a bad version", "nsaudit a b", names(w.Current()))
		problem := `policy FILE: line 1: apiVersion "": this nsaudit reads "nsaudit.io/v1alpha1": write the policy in that version, or use the nsaudit that it is for: until that is corrected the version of 2000-01-01T00:00:16Z stays in force`
		check(t, "notices of a bad version", []string{problem}, w.said())
		check(t, "metrics of a bad version",
			fmt.Sprintf("last_reload_success_timestamp_seconds %v, last_reload_successful 0, rules active 2, rules expired 0", float64(loaded)), w.metrics(t))
		wait()
		check(t, "notices of the same bad version", []string(nil), w.said())

		must(t, os.Remove(path))
		wait()
		check(t, "rules without a file", "nsaudit a b", names(w.Current()))
		if err := w.Err(); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "--policy") {
			t.Errorf("without a file: %v", err)
		}

		write(t, path, text("c"))
		wait()
		check(t, "rules of a new file", "nsaudit c", names(w.Current()))
		must(t, w.Err())
	})
}

// TestBadStart has files that can't be used from the beginning on: nothing is expected but the
// agent itself, until they can.
func TestBadStart(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("#", policy.MaxText+1)
	tests := map[string]struct {
		make func(t *testing.T, path string)
		want string
	}{
		"missing":                   {func(*testing.T, string) {}, "no such file or directory"},
		"empty":                     {func(t *testing.T, path string) { t.Helper(); write(t, path, "") }, "it is empty: want apiVersion"},
		"broken":                    {func(t *testing.T, path string) { t.Helper(); write(t, path, text("a")[:70]) }, "line 3: "},
		"too large":                 {func(t *testing.T, path string) { t.Helper(); write(t, path, long) }, "more than 1048576 bytes"},
		"a directory":               {func(t *testing.T, path string) { t.Helper(); must(t, os.Mkdir(path, 0o755)) }, "is a directory"},
		"a link that leads nowhere": {func(t *testing.T, path string) { t.Helper(); must(t, os.Symlink("elsewhere", path)) }, "no such file or directory"},
		"a link to itself":          {func(t *testing.T, path string) { t.Helper(); must(t, os.Symlink("policy.yaml", path)) }, "too many levels of symbolic links"},
		"a pipe":                    {func(t *testing.T, path string) { t.Helper(); must(t, syscall.Mkfifo(path, 0o644)) }, "it is empty"},
		"unreadable":                {func(t *testing.T, path string) { t.Helper(); must(t, os.Symlink("/proc/self/mem", path)) }, "input/output error"},
		"endless":                   {func(t *testing.T, path string) { t.Helper(); must(t, os.Symlink("/dev/zero", path)) }, "more than 1048576 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "policy.yaml")
			test.make(t, path)
			synctest.Test(t, func(t *testing.T) {
				w := watch(t, path, "uid")
				synctest.Wait()
				check(t, "rules", "nsaudit", names(w.Current()))
				err := w.Err()
				if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "policy "+path+": ") ||
					!strings.HasSuffix(err.Error(), "until that is corrected nothing is expected but the agent's own pod") {
					t.Errorf("error %v, want %q", err, test.want)
				}
				check(t, "notices", []string{strings.ReplaceAll(err.Error(), path, "FILE")}, w.said())
				check(t, "metrics", "last_reload_success_timestamp_seconds 0, last_reload_successful 0, rules active 0, rules expired 0", w.metrics(t))
				must(t, os.RemoveAll(path))
				write(t, path, text("a"))
				wait()
				must(t, w.Err())
				check(t, "rules once it is good", "nsaudit a", names(w.Current()))
			})
		})
	}
}

// TestHalfWritten has a file that is written in steps: what it holds in between is neither in
// force nor a problem.
func TestHalfWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, path, text("a", "b", "c"))
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, path, "")
		wait()
		w.said()
		<-w.Changed()
		whole := text("d", "e")
		for end := 0; end <= len(whole); end += 10 {
			write(t, path, whole[:end]) // It is also whole rules now and then.
			time.Sleep(confirm * 9 / 10)
			check(t, "rules while it is written", "a b c", names(w.Current()))
		}
		check(t, "notices while it is written", []string(nil), w.said())
		write(t, path, whole)
		wait()
		check(t, "rules once it is written", "d e", names(w.Current()))
		check(t, "notices once it is written", []string{"<nil>"}, w.said())
	})
}

// configMap is a directory as the kubelet keeps it for a ConfigMap: the file is a link into
// ..data, which is a link to the directory of a version.
type configMap struct {
	dir     string
	version int
}

// put replaces the file as the kubelet does (k8s.io/kubernetes/pkg/volume/util/atomic_writer.go):
// it writes a new directory, moves a new ..data over the old one, and removes the old directory.
func (c *configMap) put(t *testing.T, text string) {
	t.Helper()
	data := filepath.Join(c.dir, "..data")
	old, _ := os.Readlink(data)
	c.version++
	name := fmt.Sprintf("..2026_11_23_12_00_00.%d", c.version)
	must(t, os.Mkdir(filepath.Join(c.dir, name), 0o755))
	write(t, filepath.Join(c.dir, name, "policy.yaml"), text)
	must(t, os.Symlink(name, filepath.Join(c.dir, "..data_tmp")))
	must(t, os.Rename(filepath.Join(c.dir, "..data_tmp"), data))
	if old == "" {
		must(t, os.Symlink("..data/policy.yaml", filepath.Join(c.dir, "policy.yaml")))
		return
	}
	must(t, os.RemoveAll(filepath.Join(c.dir, old)))
}

func (c *configMap) path() string { return filepath.Join(c.dir, "policy.yaml") }

func TestConfigMap(t *testing.T) {
	t.Parallel()
	mount := &configMap{dir: t.TempDir()}
	mount.put(t, text("a"))
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, mount.path(), "")
		for _, name := range []string{"b", "c", "a"} { // Each of the same size.
			mount.put(t, text(name))
			wait()
			check(t, "rules", name, names(w.Current()))
		}
		mount.put(t, "hello\n")
		wait()
		check(t, "rules of a bad version", "a", names(w.Current()))
		if w.Err() == nil {
			t.Error("a bad version is no problem")
		}
		mount.put(t, text("a"))
		wait()
		must(t, w.Err())
		check(t, "rules of the good version again", "a", names(w.Current()))
	})
}

// TestReloadUnderLoad replaces the file many times, also by bad versions, while many read the
// policy: each gets one version, whole, and the last one is in force in the end.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	const versions, readers = 300, 8
	mount := &configMap{dir: t.TempDir()}
	// Each rule of version n is named n-N, and it has n+1 of them, up to nine.
	good := func(version int) string {
		var all []string
		for i := range version%9 + 1 {
			all = append(all, fmt.Sprintf("%d-%d", version, i))
		}
		return strings.Join(all, " ")
	}
	mount.put(t, text(strings.Fields(good(0))...))
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, mount.path(), "")
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		var reads, wakes atomic.Int64
		for range readers {
			ended.Go(func() {
				for ctx.Err() == nil {
					got := names(w.Current())
					var version int
					if _, err := fmt.Sscanf(got, "%d-", &version); err != nil || got != good(version) {
						t.Errorf("a policy that never was: %q", got)
						return
					}
					reads.Add(1)
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		ended.Go(func() {
			for {
				select {
				case <-w.Changed():
					wakes.Add(1)
				case <-ctx.Done():
					return
				}
			}
		})
		for version := 1; version <= versions; version++ {
			if version%7 == 3 {
				mount.put(t, "kind: nonsense\n")
			} else {
				mount.put(t, text(strings.Fields(good(version))...))
			}
			time.Sleep(time.Duration(version%10) * time.Second)
		}
		wait()
		check(t, "rules in the end", good(versions), names(w.Current()))
		must(t, w.Err())
		cancel()
		ended.Wait()
		if reads.Load() < 1000 || wakes.Load() < 50 {
			t.Errorf("%d reads and %d changes: too few to show anything", reads.Load(), wakes.Load())
		}
	})
}

// TestExpiredRulesAreCounted has a rule that expires while the file stays as it is.
func TestExpiredRulesAreCounted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, path, text("a")+"- {name: b, reason: r, pods: [x], expires: 2000-01-01}\n")
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, path, "uid")
		check(t, "rules on the last day", true, strings.HasSuffix(w.metrics(t), "rules active 2, rules expired 0"))
		time.Sleep(24 * time.Hour)
		check(t, "rules on the day after", true, strings.HasSuffix(w.metrics(t), "rules active 1, rules expired 1"))
	})
}

// TestRegisteredTwice has metrics that are there already.
func TestRegisteredTwice(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	config := Config{Path: "/does/not/exist", Registerer: registry, Logger: slog.New(slog.DiscardHandler)}
	_, err := New(config)
	must(t, err)
	if _, err := New(config); err == nil {
		t.Error("registered twice")
	}
}
