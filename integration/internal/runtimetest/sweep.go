// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
)

// namePrefix begins the names of our directories and cgroups; the process ID of the test follows. There is no
// hyphen in them, since systemd takes one in a slice's name for a level.
const namePrefix = "nsaudit_"

// close ends everything by force. Asking containerd to remove each container would take far longer, could fail for
// whatever the test did to it, and would still need this as its second half.
func (c *Containerd) close(t testing.TB) {
	t.Helper()
	if t.Failed() {
		c.dumpLogs(t)
	}
	if c.client != nil {
		_ = c.client.Close()
	}
	if err := sweep(c.dir); err != nil {
		t.Errorf("clean up: %v", err)
	}
	if c.daemon != nil {
		<-c.daemon.exited
	}
}

// sweepStale removes what tests left behind that were killed or ran into their timeout.
func sweepStale(t testing.TB) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), namePrefix+"*_*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), namePrefix), "_")
		pid, err := strconv.Atoi(owner)
		if err != nil || !errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			continue // no directory of ours, or of a test that still runs
		}
		if err := sweep(dir); err != nil {
			t.Errorf("clean up after an earlier test: %v", err)
		}
	}
}

// sweep kills all processes of a containerd, unmounts what is below its directory and removes that and the cgroups.
func sweep(dir string) error {
	name := filepath.Base(dir)
	if err := killAll(name); err != nil {
		return err
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	for _, mount := range slices.Backward(mounts) {
		if err := unix.Unmount(mount.Mountpoint, unix.MNT_DETACH); err != nil {
			// Nothing may be removed through a mount, which could lead out of the directory.
			return fmt.Errorf("unmount %s: %w", mount.Mountpoint, err)
		}
	}
	return errors.Join(removeCgroups(name), removeElsewhere(dir), os.RemoveAll(dir))
}

// shimSockets returns the sockets of the shims of containerd 1.6, by what their bundles say.
func shimSockets(dir string) []string {
	var sockets []string
	addresses, _ := filepath.Glob(filepath.Join(dir, "state/io.containerd.runtime.v2.task/*/*/address"))
	for _, path := range addresses {
		if text, err := os.ReadFile(path); err == nil {
			sockets = append(sockets, strings.TrimPrefix(string(text), "unix://"))
		}
	}
	return sockets
}

// removeElsewhere removes the few files that can't be made to be below the directory: the sockets of the shims of
// containerd 1.6, and CNI's cache.
func removeElsewhere(dir string) error {
	files := shimSockets(dir)
	const cache = "/var/lib/cni/results"
	results, _ := filepath.Glob(filepath.Join(cache, filepath.Base(dir)+"-*-eth0"))
	for _, path := range results {
		sandbox := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), filepath.Base(dir)+"-"), "-eth0")
		files = append(files, path, filepath.Join(cache, "cni-loopback-"+sandbox+"-lo"))
	}
	var errs []error
	for _, path := range files {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// killAll kills until there is nothing left to kill.
func killAll(name string) error {
	return eventually.Succeeds(30*time.Second, func() error {
		cgroups, err := cgroupTree(name)
		if err != nil {
			return err
		}
		pids := pidsIn(cgroups)
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		return fmt.Errorf("processes %v of %s can't be killed", pids, name)
	})
}

func removeCgroups(name string) error {
	cgroups, err := cgroupTree(name)
	if err != nil {
		return err
	}
	var errs []error
	for _, cgroup := range slices.Backward(cgroups) {
		if err := removeCgroup(cgroup); err != nil {
			errs = append(errs, fmt.Errorf("remove cgroup %s: %w", cgroup, err))
		}
	}
	return errors.Join(errs...)
}

// removeCgroup removes a cgroup once it is empty: a process that was killed is still in it for a moment after it
// is no longer listed.
func removeCgroup(cgroup string) error {
	var err error
	_ = eventually.Holds(10*time.Second, "the cgroup is empty", func() bool {
		// os.Remove would try unlink too, and report its error.
		err = unix.Rmdir(cgroup)
		return !errors.Is(err, unix.EBUSY)
	})
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
