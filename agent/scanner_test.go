package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// hexID is an id of the form that runtimes give.
func hexID(c string) string { return strings.Repeat(c, 64) }

// procfs makes a procfs of the host's pid 1 and of processes with the given cgroups. All
// have the host's network namespace and otherwise their own.
func procfs(t *testing.T, cgroups map[int]string) *nsinspect.FS {
	t.Helper()
	root := t.TempDir()
	namespaces := t.TempDir()
	cgroups[1] = "/init.scope"
	for pid, cgroup := range cgroups {
		dir := filepath.Join(root, fmt.Sprint(pid))
		for _, ns := range []string{dir + "/ns", fmt.Sprintf("%s/task/%d/ns", dir, pid)} {
			must(t, os.MkdirAll(ns, 0o755))
			for _, kind := range nsinspect.Kinds() {
				file := filepath.Join(namespaces, fmt.Sprintf("%s-%d", kind, pid))
				if kind == nsinspect.Net {
					file = filepath.Join(namespaces, "net")
				}
				must(t, os.WriteFile(file, nil, 0o600))
				must(t, os.Symlink(file, filepath.Join(ns, kind.String())))
			}
		}
		must(t, os.WriteFile(dir+"/cgroup", []byte("0::"+cgroup+"\n"), 0o600))
		must(t, os.WriteFile(dir+"/comm", []byte("web\n"), 0o600))
	}
	fs, err := nsinspect.NewFS(root)
	must(t, err)
	t.Cleanup(func() { fs.Close() })
	return fs
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answers is a containerd with fixed answers.
type answers struct {
	list []inventory.Container
	get  map[string]inventory.Container
	err  error
}

func (a answers) List(context.Context) (inventory.Inventory, error) {
	return inventory.Inventory{Source: inventory.FromContainerd, Containers: a.list}, nil
}

func (a answers) Get(_ context.Context, key inventory.Key) (inventory.Container, error) {
	if a.err != nil {
		return inventory.Container{}, a.err
	}
	container, ok := a.get[key.ID]
	if !ok || container.RuntimeNamespace != key.RuntimeNamespace {
		return inventory.Container{}, errdefs.ErrNotFound
	}
	return container, nil
}

func named(id string, status inventory.Status, pid int) inventory.Container {
	return inventory.Container{
		ID: hexID(id), RuntimeNamespace: "k8s.io", Name: id, Status: status, PID: pid,
		CgroupsPath: "/kubepods/" + hexID(id),
		Declared:    inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net}},
	}
}

// outcome puts a snapshot into lines: each container with its status, the number of its
// processes and what is unknown of it.
func outcome(s *audit.Snapshot) []string {
	var lines []string
	for _, c := range s.Containers {
		line := fmt.Sprintf("%s/%s %s %d", c.RuntimeNamespace, c.ID[:1], c.Status, len(c.Processes))
		for _, gap := range c.Unknown {
			line += fmt.Sprintf(" %s: %s;", gap.Cause, gap.Reason)
		}
		lines = append(lines, strings.TrimSuffix(line, ";"))
	}
	return lines
}

// TestReconcile has lists that do not fit the processes.
func TestReconcile(t *testing.T) {
	t.Parallel()
	inCgroup := map[int]string{42: "/kubepods/" + hexID("a")}
	other := []inventory.Container{named("f", inventory.Stopped, 7)} // Tells the containerd namespace only.
	tests := map[string]struct {
		cgroups map[int]string
		source  answers
		want    []string
	}{
		"lists and processes agree": {
			cgroups: inCgroup, source: answers{list: []inventory.Container{named("a", inventory.Running, 42)}},
			want: []string{"k8s.io/a running 1"},
		},
		"started after the lists were made": {
			cgroups: inCgroup, source: answers{list: other, get: map[string]inventory.Container{hexID("a"): named("a", inventory.Running, 42)}},
			want: []string{"k8s.io/a running 1"},
		},
		"started after the lists were made, and its shim hangs": {
			cgroups: inCgroup, source: answers{list: other, get: map[string]inventory.Container{hexID("a"): named("a", inventory.Unknown, 0)}},
			want: []string{"k8s.io/a unknown 1 runtime: its shim does not answer containerd, so its task is not known"},
		},
		"of another runtime": {
			cgroups: inCgroup, source: answers{list: other},
			want: []string{"/a unknown 1"},
		},
		"containerd fails when asked for it": {
			cgroups: inCgroup, source: answers{list: other, err: errors.New("broken")},
			want: []string{"/a unknown 1 runtime: broken"},
		},
		"left out of the task list because its shim hangs": {
			cgroups: inCgroup, source: answers{
				list: []inventory.Container{named("a", inventory.NoTask, 0)},
				get:  map[string]inventory.Container{hexID("a"): named("a", inventory.Unknown, 0)},
			},
			want: []string{"k8s.io/a unknown 1 runtime: its shim does not answer containerd, so its task is not known"},
		},
		"its task started between the lists": {
			cgroups: inCgroup, source: answers{
				list: []inventory.Container{named("a", inventory.NoTask, 0)},
				get:  map[string]inventory.Container{hexID("a"): named("a", inventory.Running, 42)},
			},
			want: []string{"k8s.io/a running 1"},
		},
		"no task, but processes": {
			cgroups: inCgroup, source: answers{
				list: []inventory.Container{named("a", inventory.NoTask, 0)},
				get:  map[string]inventory.Container{hexID("a"): named("a", inventory.NoTask, 0)},
			},
			want: []string{"k8s.io/a none 1 runtime: containerd has no task of it, but processes are in its cgroup"},
		},
		"stopped, but processes outlive it": {
			cgroups: inCgroup, source: answers{list: []inventory.Container{named("a", inventory.Stopped, 41)}},
			want: []string{"k8s.io/a stopped 1"},
		},
		"ended during the scan": {
			cgroups: map[int]string{}, source: answers{list: []inventory.Container{named("a", inventory.Running, 42)}},
		},
		"running in a pid namespace that is not visible": {
			cgroups: map[int]string{}, source: answers{
				list: []inventory.Container{named("a", inventory.Running, 42)},
				get:  map[string]inventory.Container{hexID("a"): named("a", inventory.Running, 42)},
			},
			want: []string{"k8s.io/a running 0 runtime: its init process, pid 42, is not visible in ROOT"},
		},
		"its init process has left its cgroup": {
			cgroups: map[int]string{42: "/elsewhere"}, source: answers{
				list: []inventory.Container{named("a", inventory.Running, 42)},
				get:  map[string]inventory.Container{hexID("a"): named("a", inventory.Running, 42)},
			},
			want: []string{"k8s.io/a running 0 cgroup: its init process, pid 42, is not in its cgroup"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := procfs(t, maps.Clone(test.cgroups))
			scanner := NewScanner(ScannerConfig{Procfs: fs, Source: test.source, Hosts: []nsinspect.HostCandidate{{Reference: nsinspect.ByPID1, PID: 1}}})
			snapshot, err := scanner.Scan(t.Context())
			must(t, err)
			for i, line := range test.want {
				test.want[i] = strings.ReplaceAll(line, "ROOT", fs.Root())
			}
			if diff := cmp.Diff(test.want, outcome(snapshot)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestInterrupted has a scan that ends before it has seen anything.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	fs := procfs(t, map[int]string{42: "/kubepods/" + hexID("a")})
	source := answers{list: []inventory.Container{named("a", inventory.Running, 42)}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	snapshot, err := NewScanner(ScannerConfig{Procfs: fs, Source: source, Hosts: []nsinspect.HostCandidate{{Reference: nsinspect.ByPID1, PID: 1}}}).Scan(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if diff := cmp.Diff([]string{"k8s.io/a running 0 unfinished: the scan was not finished"}, outcome(snapshot)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if findings, unknown := audit.Judge(snapshot); len(findings) != 0 || len(unknown) != 2 {
		t.Errorf("findings %v, unknown %v; want none, and both the node and the container", findings, unknown)
	}
}

// TestUndeclaredIsLookedAtTwice has sharing that lasts: it stays, and takes as long as it
// is to last.
func TestUndeclaredIsLookedAtTwice(t *testing.T) {
	t.Parallel()
	fs := procfs(t, map[int]string{42: "/docker/" + hexID("a")})
	synctest.Test(t, func(t *testing.T) {
		scanner := NewScanner(ScannerConfig{Procfs: fs, Settle: DefaultSettle, Hosts: []nsinspect.HostCandidate{{Reference: nsinspect.ByPID1, PID: 1}}})
		snapshot, err := scanner.Scan(t.Context())
		must(t, err)
		if snapshot.Duration != DefaultSettle {
			t.Errorf("it took %s, want %s", snapshot.Duration, DefaultSettle)
		}
		findings, _ := audit.Judge(snapshot)
		if len(findings) != 1 || findings[0].DeclaredBy != inventory.ByUnknown || snapshot.Coverage.Transient != 0 {
			t.Errorf("findings %+v, transient %d", findings, snapshot.Coverage.Transient)
		}
	})
}
