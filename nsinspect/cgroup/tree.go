// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// cgroupMount is where cgroup v2 is mounted on a host that has nothing else (cgroups(7)).
const cgroupMount = "sys/fs/cgroup"

// ErrNotV2 reports that the host's cgroups are not those of v2 alone.
var ErrNotV2 = errors.New("the host does not have cgroup v2 alone")

// Tree is the host's tree of v2 cgroups. It finds the path of a cgroup by its id, which is all
// that sock_diag has of the cgroup in which a socket was made.
type Tree struct {
	// dir is the root of the host's mount.
	dir  int
	view view
	// reader is the id of the root of the reader's cgroup namespace, or 0 if the paths do not
	// depend on it.
	reader uint64
}

// OpenTree opens the host's /sys/fs/cgroup, as the host reference sees it through
// /proc/PID/root (proc_pid_root(5)). That takes CAP_SYS_PTRACE: [nsinspect.ErrDenied] without. Where
// the host has cgroup v1, alone or beside v2, the error is [ErrNotV2]. The caller closes
// the tree.
func OpenTree(host *nsinspect.Host) (*Tree, error) {
	process, err := host.Process(nsinspect.Mnt)
	if err != nil {
		return nil, fmt.Errorf("open the host's cgroups: %w", err)
	}
	tree, err := openTreeOf(process)
	if err != nil {
		return nil, fmt.Errorf("open the host's cgroups: %w", err)
	}
	return tree, nil
}

// openTreeOf opens the tree that this process sees.
func openTreeOf(process *nsinspect.Process) (*Tree, error) {
	dir, err := procfd.OpenDir(process.FD(), "root/"+cgroupMount)
	if errors.Is(err, unix.ENOENT) && !process.Ended() {
		return nil, fmt.Errorf("%w: /%s is missing", ErrNotV2, cgroupMount)
	}
	if err != nil {
		return nil, procfd.Classify(fmt.Sprintf("open /%s of process %d", cgroupMount, process.PID()), err)
	}
	tree := &Tree{dir: dir}
	err = mustBeCgroup2(dir)
	if err == nil {
		err = tree.setView(process)
	}
	if err != nil {
		tree.Close()
		return nil, err
	}
	return tree, nil
}

// Close releases the tree.
func (t *Tree) Close() { procfd.Close(t.dir) }

// mustBeCgroup2 returns an error with what the directory is, unless that is cgroup v2.
func mustBeCgroup2(dir int) error {
	is2 := func(name string) (bool, error) {
		fd, err := procfd.OpenDir(dir, name)
		if err != nil {
			return false, err
		}
		defer procfd.Close(fd)
		var stat unix.Statfs_t
		_, err = procfd.Retry(func() (int, error) { return 0, unix.Fstatfs(fd, &stat) })
		return stat.Type == unix.CGROUP2_SUPER_MAGIC, err
	}
	if ok, err := is2("."); ok || err != nil {
		return err
	}
	// Where systemd mounts v2 in a hybrid hierarchy.
	if ok, _ := is2("unified"); ok {
		return fmt.Errorf("%w: it has v1 and v2 (hybrid)", ErrNotV2)
	}
	return fmt.Errorf("%w: /%s is not of cgroup v2", ErrNotV2, cgroupMount)
}

// setView finds out how the paths of the tree look from this process's cgroup namespace.
func (t *Tree) setView(host *nsinspect.Process) error {
	mounts, err := readMounts(host.FD(), "mountinfo")
	if err != nil {
		return procfd.Classify(fmt.Sprintf("read mounts of process %d", host.PID()), err)
	}
	id, err := procfd.MountID(t.dir)
	if err != nil {
		return err
	}
	base, ok := mounts.root(id)
	if !ok {
		return errors.New("the mount is not among those of the process")
	}
	t.view.base = base
	if levelsUp(base) == 0 {
		return nil
	}
	// The root that this process sees is inside of the tree, where its own mount shows.
	t.reader, err = ownCgroupRoot()
	return err
}

// Resolve returns the paths of the cgroups with these ids, in the form in which
// /proc/PID/cgroup shows them to this process. A cgroup that was removed is not in it. With
// an error, such as [nsinspect.ErrTooLarge], others may be missing too.
func (t *Tree) Resolve(ctx context.Context, ids []uint64) (map[uint64]string, error) {
	walk := newWalk(t.dir, ids)
	view := t.view
	if t.reader != 0 {
		walk.want(t.reader)
	}
	err := walk.run(ctx)
	if t.reader != 0 {
		reader, ok := walk.found[t.reader]
		if !ok {
			return nil, errors.Join(errors.New("find the own cgroup in the host's tree: it is not there"), err)
		}
		view.reader = reader
		if err := view.check(); err != nil {
			return nil, err
		}
	}
	paths := make(map[uint64]string, len(ids))
	for _, id := range ids {
		if path, ok := walk.found[id]; ok {
			paths[id] = view.path(path)
		}
	}
	if err != nil {
		err = fmt.Errorf("look for cgroups by their ids: %w", err)
	}
	return paths, err
}
