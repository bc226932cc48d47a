// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

// cgroup2 is where a host with v2 alone has it.
const cgroup2 = "/sys/fs/cgroup"

// On the machine itself there is a tree where it has v2 alone, and a reason where not.
func TestCgroupTreeOfTheHost(t *testing.T) {
	fs := openProcfs(t)
	host, err := fs.Host(nil, hosts()...)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	var stat unix.Statfs_t
	if err := unix.Statfs(cgroup2, &stat); err != nil {
		t.Fatal(err)
	}
	tree, err := cgroup.OpenTree(host)
	if stat.Type != unix.CGROUP2_SUPER_MAGIC {
		if !errors.Is(err, cgroup.ErrNotV2) {
			t.Errorf("OpenTree = %+v, %v, want %v", tree, err, cgroup.ErrNotV2)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	mustResolve(t, tree, inCgroups(t))
}

// The kernel itself tells how a reader sees the cgroups: from where the host is, and from a
// cgroup namespace of its own as a pod has it.
func TestCgroupTree(t *testing.T) {
	fs := openProcfs(t)
	host := launch(t, launchOptions{role: role{Do: "cgroup2"}, flags: unix.CLONE_NEWNS})
	host.ready()
	members := inCgroups(t)
	reference, err := referenceTo(fs, host.pid)
	if err != nil {
		t.Fatal(err)
	}
	defer reference.Close()
	tree, err := cgroup.OpenTree(reference)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	mustResolve(t, tree, members)
	for _, own := range members {
		t.Run(filepath.Base(own.dir), func(t *testing.T) {
			reader := launch(t, launchOptions{cgroup: own.dir, flags: unix.CLONE_NEWNS, role: role{
				Do: "become", Unshare: unix.CLONE_NEWCGROUP, Then: &role{Do: "resolve", PID: host.pid, IDs: idsOf(members), Pids: pidsOf(members)},
			}})
			got := decode[resolved](t, reader.ready())
			if diff := cmp.Diff(got.Shown, got.Paths); diff != "" || len(got.Paths) != len(members) || got.Paths[own.id] != "/" {
				t.Errorf("-kernel +got:\n%s", diff)
			}
		})
	}
}

// member is a process in a cgroup of its own.
type member struct {
	pid int
	id  uint64
	dir string
}

func idsOf(members []member) []uint64 {
	var ids []uint64
	for _, m := range members {
		ids = append(ids, m.id)
	}
	return ids
}

func pidsOf(members []member) []int {
	var pids []int
	for _, m := range members {
		pids = append(pids, m.pid)
	}
	return pids
}

// inCgroups starts processes in v2 cgroups that lie to each other as pods and containers do.
func inCgroups(t *testing.T) []member {
	t.Helper()
	h := v2(t)
	var members []member
	for _, path := range []string{"nsaudit/besteffort/pod1/c1", "nsaudit/besteffort/pod1/c2", "nsaudit/burstable/pod2", "nsaudit/burstable2"} {
		dir := h.cgroup(t, path)
		p := launch(t, launchOptions{role: role{Do: "block"}, cgroup: dir})
		p.ready()
		var stat unix.Stat_t
		if err := unix.Stat(dir, &stat); err != nil {
			t.Fatal(err)
		}
		members = append(members, member{p.pid, stat.Ino, dir})
	}
	return members
}

// noCgroup is an id that no cgroup has.
const noCgroup = 1 << 60

// mustResolve compares what the tree says with what the kernel shows this process.
func mustResolve(t *testing.T, tree *cgroup.Tree, members []member) {
	t.Helper()
	got, err := tree.Resolve(t.Context(), append(idsOf(members), noCgroup))
	if err != nil {
		t.Fatal(err)
	}
	want, err := shownPaths(pidsOf(members), idsOf(members))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != len(members) {
		t.Errorf("-kernel +got:\n%s", diff)
	}
}

// shownPaths reads the v2 cgroups of processes.
func shownPaths(pids []int, ids []uint64) (map[uint64]string, error) {
	paths := make(map[uint64]string)
	for i, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if err != nil {
			return nil, err
		}
		entries, err := cgroup.Parse(text)
		if err != nil {
			return nil, err
		}
		paths[ids[i]] = entries[0].Path
	}
	return paths, nil
}

// mountCgroup2AndBlock makes this process one of a host with cgroup v2 alone. It has more
// mounts than the kernel shows in one piece.
func mountCgroup2AndBlock(role) error {
	if err := mountCgroup2(200); err != nil {
		return err
	}
	ready("")
	return awaitEnd()
}

// mountCgroup2 mounts the root of this process's cgroup namespace, as a container's runtime
// does it, on top of other mounts: nothing can be mounted on itself. The process is in a mount
// namespace of its own.
func mountCgroup2(others int) error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("keep mounts to ourselves: %w", err)
	}
	for range others {
		if err := unix.Mount("none", cgroup2, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mount tmpfs: %w", err)
		}
	}
	if err := unix.Mount("cgroup2", cgroup2, "cgroup2", 0, ""); err != nil {
		return fmt.Errorf("mount cgroup2: %w", err)
	}
	return nil
}

// resolved is what a process in a cgroup namespace of its own finds, and what the kernel shows
// it.
type resolved struct {
	Paths, Shown map[uint64]string
}

// resolveAndPrint resolves the cgroups IDs in the tree of process PID.
func resolveAndPrint(r role) error {
	if err := mountCgroup2(1); err != nil {
		return err
	}
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		return err
	}
	defer fs.Close()
	host, err := referenceTo(fs, r.PID)
	if err != nil {
		return err
	}
	defer host.Close()
	tree, err := cgroup.OpenTree(host)
	if err != nil {
		return err
	}
	defer tree.Close()
	var out resolved
	if out.Paths, err = tree.Resolve(context.Background(), append(r.IDs, noCgroup)); err != nil {
		return err
	}
	if out.Shown, err = shownPaths(r.Pids, r.IDs); err != nil {
		return err
	}
	return printAndBlock(out)
}
