// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
)

// cgroupPrefix begins the names of our cgroups; the pid of the process that removes them follows.
const cgroupPrefix = "nsaudit_bench_"

const (
	cgroupV2 = "/sys/fs/cgroup"
	// cgroupV1 is one hierarchy of v1. Its controller limits nothing unless asked to.
	cgroupV1 = "/sys/fs/cgroup/pids"
)

// cgroups is the hierarchy that the containers are in.
type cgroups struct {
	dir string
	v2  bool
}

// hierarchy returns v2 where it is the only one, and otherwise v1: with both, runtimes use v1.
func hierarchy() (cgroups, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(cgroupV2, &stat); err != nil {
		return cgroups{}, fmt.Errorf("find the cgroups: %w", err)
	}
	if stat.Type == unix.CGROUP2_SUPER_MAGIC {
		return cgroups{cgroupV2, true}, nil
	}
	if err := unix.Statfs(cgroupV1, &stat); err != nil {
		return cgroups{}, fmt.Errorf("there is neither cgroup v2 nor v1's pids hierarchy in %s: %w", cgroupV1, err)
	}
	return cgroups{cgroupV1, false}, nil
}

// String says which it is, for the table.
func (c cgroups) String() string {
	if c.v2 {
		return "cgroup v2"
	}
	return "cgroup v1"
}

// home returns the v1 cgroup that this thread is in, to return to. In v2 threads stay where their process is.
func (c cgroups) home() (string, error) {
	if c.v2 {
		return "", nil
	}
	text, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		_, rest, _ := strings.Cut(line, ":")
		controllers, path, _ := strings.Cut(strings.TrimSuffix(rest, "\n"), ":")
		if slices.Contains(strings.Split(controllers, ","), filepath.Base(cgroupV1)) {
			return filepath.Join(c.dir, path), nil
		}
	}
	return "", errors.New("this thread is in no cgroup of the pids hierarchy")
}

// enterV1 moves this thread into a v1 cgroup. What it starts is then born there, which costs nothing, while moving a
// process makes the kernel wait for all its processors.
func enterV1(dir string) error {
	return os.WriteFile(filepath.Join(dir, "tasks"), []byte{'0'}, 0)
}

// sweepStale removes the cgroups of benchmarks that were killed. Their processes went with their pid namespace.
func sweepStale() error {
	c, err := hierarchy()
	if err != nil {
		return err
	}
	dirs, err := filepath.Glob(filepath.Join(c.dir, cgroupPrefix+"*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range dirs {
		name := filepath.Base(dir)
		owner, err := strconv.Atoi(strings.TrimPrefix(name, cgroupPrefix))
		if err != nil || !errors.Is(unix.Kill(owner, 0), unix.ESRCH) {
			continue // No cgroup of ours, or of benchmarks that still run.
		}
		errs = append(errs, removeCgroups(name))
	}
	return errors.Join(errs...)
}

// removeCgroups removes a cgroup and those below it, once their processes are gone.
func removeCgroups(name string) error {
	c, err := hierarchy()
	if err != nil {
		return err
	}
	var dirs []string
	err = filepath.WalkDir(filepath.Join(c.dir, name), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := removeCgroup(dir); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroup waits for the kernel, which takes a dead process out of its cgroup a little after it could be waited for.
func removeCgroup(dir string) error {
	var err error
	_ = eventually.Holds(10*time.Second, "the cgroup is empty", func() bool {
		err = unix.Rmdir(dir)
		return !errors.Is(err, unix.EBUSY)
	})
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove cgroup %s: %w", dir, err)
	}
	return nil
}
