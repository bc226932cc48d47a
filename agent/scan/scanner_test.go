// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
)

// TestReconcile has lists that do not fit the processes.
func TestReconcile(t *testing.T) {
	t.Parallel()
	inCgroup := map[int]string{42: "/kubepods/" + scantest.HexID("a")}
	other := []inventory.Container{scantest.Named("f", inventory.Stopped, 7)} // Tells the containerd namespace only.
	tests := map[string]struct {
		cgroups map[int]string
		source  scantest.Source
		want    []string
	}{
		"lists and processes agree": {
			cgroups: inCgroup, source: scantest.Source{Listed: []inventory.Container{scantest.Named("a", inventory.Running, 42)}},
			want: []string{"k8s.io/a running 1"},
		},
		"started after the lists were made": {
			cgroups: inCgroup, source: scantest.Source{Listed: other, ByID: map[string]inventory.Container{scantest.HexID("a"): scantest.Named("a", inventory.Running, 42)}},
			want: []string{"k8s.io/a running 1"},
		},
		"started after the lists were made, and its shim hangs": {
			cgroups: inCgroup, source: scantest.Source{Listed: other, ByID: map[string]inventory.Container{scantest.HexID("a"): scantest.Named("a", inventory.Unknown, 0)}},
			want: []string{"k8s.io/a unknown 1 runtime: its shim does not answer containerd, so its task is not known"},
		},
		"of another runtime": {
			cgroups: inCgroup, source: scantest.Source{Listed: other},
			want: []string{"/a unknown 1"},
		},
		"containerd fails when asked for it": {
			cgroups: inCgroup, source: scantest.Source{Listed: other, Err: errors.New("broken")},
			want: []string{"/a unknown 1 runtime: broken"},
		},
		"left out of the task list because its shim hangs": {
			cgroups: inCgroup, source: scantest.Source{
				Listed: []inventory.Container{scantest.Named("a", inventory.NoTask, 0)},
				ByID:   map[string]inventory.Container{scantest.HexID("a"): scantest.Named("a", inventory.Unknown, 0)},
			},
			want: []string{"k8s.io/a unknown 1 runtime: its shim does not answer containerd, so its task is not known"},
		},
		"its task started between the lists": {
			cgroups: inCgroup, source: scantest.Source{
				Listed: []inventory.Container{scantest.Named("a", inventory.NoTask, 0)},
				ByID:   map[string]inventory.Container{scantest.HexID("a"): scantest.Named("a", inventory.Running, 42)},
			},
			want: []string{"k8s.io/a running 1"},
		},
		"no task, but processes": {
			cgroups: inCgroup, source: scantest.Source{
				Listed: []inventory.Container{scantest.Named("a", inventory.NoTask, 0)},
				ByID:   map[string]inventory.Container{scantest.HexID("a"): scantest.Named("a", inventory.NoTask, 0)},
			},
			want: []string{"k8s.io/a none 1 runtime: containerd has no task of it, but processes are in its cgroup"},
		},
		"stopped, but processes outlive it": {
			cgroups: inCgroup, source: scantest.Source{Listed: []inventory.Container{scantest.Named("a", inventory.Stopped, 41)}},
			want: []string{"k8s.io/a stopped 1"},
		},
		"ended during the scan": {
			cgroups: map[int]string{}, source: scantest.Source{Listed: []inventory.Container{scantest.Named("a", inventory.Running, 42)}},
		},
		"running in a pid namespace that is not visible": {
			cgroups: map[int]string{}, source: scantest.Source{
				Listed: []inventory.Container{scantest.Named("a", inventory.Running, 42)},
				ByID:   map[string]inventory.Container{scantest.HexID("a"): scantest.Named("a", inventory.Running, 42)},
			},
			want: []string{"k8s.io/a running 0 runtime: its init process, pid 42, is not visible in ROOT"},
		},
		"its init process has left its cgroup": {
			cgroups: map[int]string{42: "/elsewhere"}, source: scantest.Source{
				Listed: []inventory.Container{scantest.Named("a", inventory.Running, 42)},
				ByID:   map[string]inventory.Container{scantest.HexID("a"): scantest.Named("a", inventory.Running, 42)},
			},
			want: []string{"k8s.io/a running 0 cgroup: its init process, pid 42, is not in its cgroup"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := scantest.Procfs(t, maps.Clone(test.cgroups))
			for i, line := range test.want {
				test.want[i] = strings.ReplaceAll(line, "ROOT", fs.Root())
			}
			synctest.Test(t, func(t *testing.T) {
				scanner := New(Config{Procfs: fs, Source: test.source, Hosts: pid1()})
				snap, err := scanner.Scan(t.Context())
				scantest.Must(t, err)
				if diff := cmp.Diff(test.want, scantest.Outcome(snap)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		})
	}
}

// TestInterrupted has a scan that ends before it has seen anything.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	fs := scantest.Procfs(t, map[int]string{42: "/kubepods/" + scantest.HexID("a")})
	source := scantest.Source{Listed: []inventory.Container{scantest.Named("a", inventory.Running, 42)}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	snap, err := New(Config{Procfs: fs, Source: source, Hosts: pid1()}).Scan(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if diff := cmp.Diff([]string{"k8s.io/a running 0 unfinished: the scan was not finished"}, scantest.Outcome(snap)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if result := audit.Judge(snap); len(result.Findings) != 0 || len(result.Unknown) != 2 {
		t.Errorf("findings %v, unknown %v; want none, and both the node and the container", result.Findings, result.Unknown)
	}
}

// TestWithoutContainerd has containers that only their cgroups name: what nobody declared can't be
// judged, which is said once.
func TestWithoutContainerd(t *testing.T) {
	t.Parallel()
	b := newBox(t, 2, 1)
	for name, depth := range map[string]Depth{"lean": Lean, "full": Full} {
		snap, err := New(Config{Procfs: b.fs, Depth: depth, Hosts: pid1()}).Scan(t.Context())
		scantest.Must(t, err)
		var got []string
		for _, unknown := range audit.Judge(snap).Unknown {
			if unknown.Container != nil || strings.Contains(unknown.Detail, "security context") {
				got = append(got, unknown.Detail)
			}
		}
		want := []string{"the security context of no container can be judged: there is no containerd to ask for what was declared"}
		if diff := cmp.Diff(want, got); diff != "" || len(snap.Containers) != 2 {
			t.Errorf("%s: of %d containers (-want +got):\n%s", name, len(snap.Containers), diff)
		}
	}
}

// TestUndeclaredIsLookedAtAgain has sharing that lasts: it stays, and its container is looked at several
// times.
func TestUndeclaredIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	fs := scantest.Procfs(t, map[int]string{42: "/docker/" + scantest.HexID("a")})
	synctest.Test(t, func(t *testing.T) {
		scanner := New(Config{Procfs: fs, Settle: DefaultSettle, Hosts: pid1(), Random: halfway})
		snap, err := scanner.Scan(t.Context())
		scantest.Must(t, err)
		if want := looks * DefaultSettle / 2; snap.Duration != want {
			t.Errorf("it took %s, want %s", snap.Duration, want)
		}
		findings := audit.Judge(snap).Findings
		if len(findings) != 1 || findings[0].DeclaredBy != inventory.ByUnknown || snap.Coverage.Transient != 0 {
			t.Errorf("findings %+v, transient %d", findings, snap.Coverage.Transient)
		}
	})
}

// TestEnded checks which of the containers that do not run are kept.
func TestEnded(t *testing.T) {
	t.Parallel()
	of := func(id string, status inventory.Status, change func(*inventory.Container)) inventory.Container {
		container := scantest.Named(id, status, 0)
		container.Pod = &inventory.Pod{Namespace: "default", Name: "p", UID: "u"}
		if change != nil {
			change(&container)
		}
		return container
	}
	listed := []inventory.Container{
		of("a", inventory.Stopped, nil),
		of("b", inventory.NoTask, nil),
		of("c", inventory.Stopped, func(c *inventory.Container) { c.Sandbox = true }),
		of("d", inventory.Stopped, func(c *inventory.Container) { c.Pod = nil }),
	}
	fs := scantest.Procfs(t, map[int]string{42: "/kubepods/" + scantest.HexID("e")})
	scanner := New(Config{
		Procfs: fs, Source: scantest.Source{Listed: append(listed, scantest.Named("e", inventory.Running, 42))},
		Hosts: pid1(),
	})
	snap, err := scanner.Scan(t.Context())
	scantest.Must(t, err)
	if diff := cmp.Diff([]string{"k8s.io/e running 1"}, scantest.Outcome(snap)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(listed[:2], snap.Ended); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
