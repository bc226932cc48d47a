// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"io"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// maxMountBytes caps /proc/PID/mountinfo. The kernel allows 100,000 mounts a namespace
// (/proc/sys/fs/mount-max); a node has some hundred, of some hundred bytes.
const maxMountBytes = 16 << 20

// mountList is the mounts of cgroup v2 that a process sees.
type mountList []*mountinfo.Info

// readMounts reads a file in the form of /proc/PID/mountinfo (proc_pid_mountinfo(5)). The
// roots of mounts of cgroups are in it as the reader's cgroup namespace shows them.
func readMounts(at int, name string) (mountList, error) {
	return procfd.ParseFile(at, name, maxMountBytes, func(text io.Reader) (mountList, error) {
		return mountinfo.GetMountsFromReader(text, mountinfo.FSTypeFilter("cgroup2"))
	})
}

// root returns the root of a mount within its file system.
func (l mountList) root(id uint64) (string, bool) {
	for _, mount := range l {
		if uint64(mount.ID) == id { //nolint:gosec // The kernel numbers them from 0.
			return mount.Root, true
		}
	}
	return "", false
}

// ownCgroupRoot returns the id of the cgroup that is the root of this process's cgroup
// namespace. A container's runtime mounts it where the container sees it.
func ownCgroupRoot() (uint64, error) {
	mounts, err := readMounts(unix.AT_FDCWD, "/proc/self/mountinfo")
	if err != nil {
		return 0, fmt.Errorf("read the own mounts: %w", err)
	}
	for _, mount := range mounts {
		if mount.Root != "/" {
			continue
		}
		if id, ok := rootOfMount(mount); ok {
			return id, nil
		}
	}
	return 0, errors.New("the own cgroup namespace's root is not mounted")
}

// rootOfMount returns the inode of a mount's root, unless another mount hides it.
func rootOfMount(mount *mountinfo.Info) (uint64, bool) {
	fd, err := unix.Open(mount.Mountpoint, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer procfd.Close(fd)
	id, err := procfd.MountID(fd)
	if err != nil || id != uint64(mount.ID) { //nolint:gosec // The kernel numbers them from 0.
		return 0, false
	}
	var stat unix.Stat_t
	err = unix.Fstat(fd, &stat)
	return stat.Ino, err == nil
}
