// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// fakeTree is a directory that stands for a mount of cgroup v2: its inodes are the ids.
func fakeTree(t *testing.T, paths ...string) (base string, dir int) {
	t.Helper()
	base = t.TempDir()
	for _, path := range paths {
		if err := os.MkdirAll(filepath.Join(base, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := procfd.OpenDir(unix.AT_FDCWD, base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { procfd.Close(dir) })
	return base, dir
}

func inodeOf(t *testing.T, path string) uint64 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Ino
}

func TestResolve(t *testing.T) {
	paths := []string{"", "/kubepods/besteffort/pod1", "/kubepods/besteffort/pod2/c", "/kubepods/burstable", "/system.slice/ssh.service"}
	base, dir := fakeTree(t, paths...)
	if err := os.WriteFile(filepath.Join(base, "cgroup.procs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("kubepods", filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	const gone = 1 << 62
	ids := []uint64{gone, inodeOf(t, filepath.Join(base, "cgroup.procs")), inodeOf(t, filepath.Join(base, "link"))}
	for _, path := range paths {
		ids = append(ids, inodeOf(t, base+path))
	}
	tests := map[string]struct {
		tree Tree
		want []string
	}{
		"the whole tree": {Tree{dir: dir, view: view{base: "/"}}, []string{"/", paths[1], paths[2], paths[3], paths[4]}},
		"from a pod": {
			Tree{dir: dir, view: view{base: "/../../.."}, reader: inodeOf(t, base+paths[1])},
			[]string{"/../../..", "/", "/../pod2/c", "/../../burstable", "/../../../system.slice/ssh.service"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := test.tree.Resolve(t.Context(), ids)
			if err != nil {
				t.Fatal(err)
			}
			want := make(map[uint64]string)
			for i, path := range test.want {
				want[ids[3+i]] = path
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Without the reader's own place no path would be right.
func TestResolveNeedsTheReader(t *testing.T) {
	base, dir := fakeTree(t, "/a/b")
	for name, tree := range map[string]Tree{
		"it is not in the tree": {dir: dir, view: view{base: "/.."}, reader: 1 << 62},
		"it is elsewhere":       {dir: dir, view: view{base: "/.."}, reader: inodeOf(t, base+"/a/b")},
	} {
		if paths, err := tree.Resolve(t.Context(), []uint64{inodeOf(t, base+"/a")}); err == nil || len(paths) > 0 {
			t.Errorf("%s: %v, %v", name, paths, err)
		}
	}
}

// A flood of cgroups is cut, and what stands above it is found.
func TestWalkIsCapped(t *testing.T) {
	base, dir := fakeTree(t, "/a/1", "/a/2", "/a/3", "/a/4", "/b")
	for _, limit := range []int{5, 6, 7} {
		walk := newWalk(dir, []uint64{inodeOf(t, base+"/b"), inodeOf(t, base+"/a/1"), 1 << 62})
		walk.limit = limit
		err := walk.run(t.Context())
		if tooLarge := errors.Is(err, nsinspect.ErrTooLarge); tooLarge != (limit < 7) {
			t.Errorf("limit %d: %v", limit, err)
		}
		if walk.found[inodeOf(t, base+"/b")] != "/b" || len(walk.nodes) != limit {
			t.Errorf("limit %d: found %v, saw %d", limit, walk.found, len(walk.nodes))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tree := Tree{dir: dir, view: view{base: "/"}}
	if paths, err := tree.Resolve(ctx, []uint64{1 << 62}); !errors.Is(err, context.Canceled) {
		t.Errorf("Resolve = %v, %v, want %v", paths, err, context.Canceled)
	}
}

// Cgroups can lie deeper than a path can name. That is no reason to miss the others, and is
// said if what is looked for may be there.
func TestWalkTooDeep(t *testing.T) {
	_, dir := fakeTree(t, "/shallow/one")
	name := strings.Repeat("x", 250)
	at, below := dir, 0
	for depth := range 4096/len(name) + 2 {
		if err := unix.Mkdirat(at, name, 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := procfd.OpenDir(at, name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { procfd.Close(next) })
		if at = next; depth == 2 {
			below = next
		}
	}
	var stat unix.Stat_t
	if err := unix.Fstat(below, &stat); err != nil {
		t.Fatal(err)
	}
	walk := newWalk(dir, []uint64{stat.Ino})
	if err := walk.run(t.Context()); err != nil || walk.found[stat.Ino] != strings.Repeat("/"+name, 3) {
		t.Errorf("run = %v, found %v", err, walk.found)
	}
	walk = newWalk(dir, []uint64{1 << 62})
	if err := walk.run(t.Context()); !errors.Is(err, unix.ENAMETOOLONG) {
		t.Errorf("run = %v, want %v", err, unix.ENAMETOOLONG)
	}
}
