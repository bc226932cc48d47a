// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
)

// changing is a containerd whose node changes while it is asked.
type changing struct {
	scantest.Source

	// asked is called before each answer with how often there was a question before.
	asked func(source *scantest.Source, before int)
	n     int
}

func (c *changing) Get(ctx context.Context, key inventory.Key) (inventory.Container, error) {
	c.asked(&c.Source, c.n)
	c.n++
	return c.Source.Get(ctx, key)
}

// TestEndsDuringTheScan has containers that end between the walk and a question to containerd, which
// makes nothing unknown, and such that seem to.
func TestEndsDuringTheScan(t *testing.T) {
	t.Parallel()
	inCgroup := "/kubepods/" + scantest.HexID("a")
	other := scantest.Named("f", inventory.Stopped, 7) // Tells the containerd namespace only.
	end := func(proc string, _ *scantest.Source, _ int) error { return os.RemoveAll(filepath.Join(proc, "42")) }
	undeclared := scantest.Named("a", inventory.NoTask, 0)
	undeclared.Declared.Host = nil
	is := func(status inventory.Status, pid int) map[string]inventory.Container {
		return map[string]inventory.Container{scantest.HexID("a"): scantest.Named("a", status, pid)}
	}
	tests := map[string]struct {
		listed []inventory.Container
		byID   map[string]inventory.Container
		// second is the cgroup of process 43, which is there instead of the container's process 42.
		second string
		asked  func(proc string, source *scantest.Source, before int) error
		want   []string
	}{
		"it was never listed": {
			listed: []inventory.Container{other},
			asked:  end,
		},
		"its task is gone": {
			listed: []inventory.Container{scantest.Named("a", inventory.NoTask, 0)}, byID: is(inventory.NoTask, 0),
			asked: end,
		},
		"it was in the host's network, which nobody declared": {
			listed: []inventory.Container{undeclared}, byID: map[string]inventory.Container{undeclared.ID: undeclared},
			asked: end,
			want:  []string{"k8s.io/a none 1"},
		},
		"another process followed": {
			listed: []inventory.Container{scantest.Named("a", inventory.NoTask, 0)}, byID: is(inventory.NoTask, 0),
			asked: func(proc string, _ *scantest.Source, before int) error {
				if before > 0 {
					return nil
				}
				return os.Rename(filepath.Join(proc, "42"), filepath.Join(proc, "43"))
			},
			want: []string{"k8s.io/a none 1 runtime: containerd has no task of it, but processes are in its cgroup"},
		},
		"another container has its pid": {
			listed: []inventory.Container{scantest.Named("a", inventory.NoTask, 0)}, byID: is(inventory.NoTask, 0),
			asked: func(proc string, _ *scantest.Source, _ int) error {
				return os.WriteFile(filepath.Join(proc, "42/cgroup"), []byte("0::/elsewhere\n"), 0o600)
			},
		},
		"its task is being made": {
			listed: []inventory.Container{scantest.Named("a", inventory.NoTask, 0)}, byID: is(inventory.NoTask, 0),
			asked: func(_ string, source *scantest.Source, before int) error {
				if before == 3 {
					source.ByID = is(inventory.Created, 42)
				}
				return nil
			},
			want: []string{"k8s.io/a created 1"},
		},
		"containerd learns late that it has ended": {
			listed: []inventory.Container{scantest.Named("a", inventory.Running, 44)}, byID: is(inventory.Running, 44), second: "/elsewhere",
			asked: func(_ string, source *scantest.Source, before int) error {
				if before == 3 {
					source.ByID = is(inventory.Stopped, 44)
				}
				return nil
			},
		},
		"it was started again since the walk": {
			listed: []inventory.Container{scantest.Named("a", inventory.Running, 44)}, byID: is(inventory.Running, 43), second: "/elsewhere",
			asked: func(string, *scantest.Source, int) error { return nil },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cgroups := map[int]string{42: inCgroup}
			if test.second != "" {
				cgroups = map[int]string{43: test.second}
			}
			fs := scantest.Procfs(t, cgroups)
			synctest.Test(t, func(t *testing.T) {
				source := &changing{Source: scantest.Source{Listed: test.listed, ByID: test.byID}}
				source.asked = func(s *scantest.Source, before int) { scantest.Must(t, test.asked(fs.Root(), s, before)) }
				snap, err := New(Config{Procfs: fs, Source: source, Hosts: pid1()}).Scan(t.Context())
				scantest.Must(t, err)
				if diff := cmp.Diff(test.want, scantest.Outcome(snap)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		})
	}
}

// TestDeviceGivenAgain has a container with a mount that nothing declared, of a device that the host
// had mounted when the scan began, and one that the host has still.
func TestDeviceGivenAgain(t *testing.T) {
	t.Parallel()
	b := newBox(t, 1)
	const masked = "660 613 0:90 / /proc/acpi ro - tmpfs tmpfs ro\n"
	b.write(t, initOf(0), "mountinfo", scantest.OwnMounts+masked)
	b.write(t, 1, "mountinfo", scantest.HostMounts+"23 20 0:90 / /run/gone rw - tmpfs shm rw\n")
	snap, err := New(Config{
		Procfs: b.fs, Source: scantest.Source{Listed: b.containers}, Hosts: pid1(), Depth: Lean,
		Progress: func(stage string) {
			if strings.HasPrefix(stage, "ask containerd again") {
				b.write(t, 1, "mountinfo", scantest.HostMounts)
			}
		},
	}).Scan(t.Context())
	scantest.Must(t, err)
	var points []string
	for _, mount := range snap.Containers[0].Mounts.Host {
		points = append(points, mount.Point)
	}
	if diff := cmp.Diff([]string{"/data"}, points); diff != "" {
		t.Errorf("mounts of the host's (-want +got):\n%s", diff)
	}
}
