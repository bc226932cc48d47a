// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// Mount is a mount that a process sees: a line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
type Mount struct {
	// ID is the mount's number, and Parent that of the mount that it is mounted on, in the mount
	// namespace: a path leads through the mounts that are on each other.
	ID     int `json:"-"`
	Parent int `json:"-"`
	// Major and Minor are the device's.
	Major int `json:"major"`
	Minor int `json:"minor"`
	// Root is what of the file system is mounted, and Point where. Both are chosen by whoever
	// mounts: escape them before they are shown.
	Root  string `json:"root"`
	Point string `json:"point"`
	// FSType is the type of the file system.
	FSType string `json:"fsType"`
	// ReadOnly says that nothing can be written by way of this mount, whatever the file system
	// allows; Shared that mounts below it appear in other mount namespaces too.
	ReadOnly bool `json:"readOnly,omitempty"`
	Shared   bool `json:"shared,omitempty"`
}

// maxMountBytes caps the mounts of one process. The kernel allows 100,000 of them
// (/proc/sys/fs/mount-max), which a process with CAP_SYS_ADMIN in its user namespace may make; a
// privileged container has 120 lines of some hundred bytes.
const maxMountBytes = 1 << 20

// Mounts returns the mounts that the process sees, from /proc/PID/mountinfo, which anyone may
// read. They are those below the process's root directory, so in a mount namespace a process
// that has called chroot(2) sees fewer than others. The error is [ErrTooLarge] where there are
// more than a megabyte of lines.
func (p *Process) Mounts() ([]Mount, error) {
	text, err := p.mountInfoAt("", nil, maxMountBytes)
	if err != nil {
		return nil, err
	}
	mounts, err := ParseMounts(text)
	if err != nil {
		return nil, fmt.Errorf("read the mounts of process %d: %w", p.pid, err)
	}
	return mounts, nil
}

// MountInfo returns the text that [Process.Mounts] decodes, for who only wants to know whether it
// has changed. Where the leader has ended while others run on, it is that of another thread. It is
// read into the memory of a text that is not needed any more, which may be nil. The error is
// [ErrTooLarge] where it has limit bytes or more.
func (p *Process) MountInfo(ctx context.Context, old []byte, limit int) ([]byte, error) {
	text, err := p.mountInfoAt("", old, limit)
	if !errors.Is(err, ErrVanished) {
		return text, err
	}
	_, otherErr := p.InPlaceOfLeader(ctx, func(dir string) error {
		text, err = p.mountInfoAt(dir, old, limit)
		return err
	})
	if otherErr != nil {
		return nil, otherErr
	}
	return text, err
}

func (p *Process) mountInfoAt(dir string, old []byte, limit int) ([]byte, error) {
	text, err := procfd.ReadLines(p.fd, dir+"mountinfo", old, limit)
	if errors.Is(err, unix.EINVAL) {
		err = unix.ESRCH // The answer of a zombie (fs/proc_namespace.c, mounts_open_common).
	}
	if err != nil {
		return nil, procfd.Classify(fmt.Sprintf("read the mounts of process %d", p.pid), err)
	}
	return text, nil
}

// ParseMounts decodes the text of [Process.MountInfo].
func ParseMounts(text []byte) ([]Mount, error) { return parseMounts(bytes.NewReader(text)) }

// parseMounts decodes lines of mountinfo.
func parseMounts(text io.Reader) ([]Mount, error) {
	infos, err := mountinfo.GetMountsFromReader(text, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	mounts := make([]Mount, len(infos))
	for i, info := range infos {
		mounts[i] = Mount{
			ID: info.ID, Parent: info.Parent,
			Major: info.Major, Minor: info.Minor, Root: info.Root, Point: info.Mountpoint, FSType: info.FSType,
			ReadOnly: slices.Contains(strings.Split(info.Options, ","), "ro"),
			Shared:   strings.Contains(" "+info.Optional, " shared:"),
		}
	}
	return mounts, nil
}

// FileID identifies a file among all of the machine: the device and the inode.
type FileID struct{ Dev, Ino uint64 }

// RootDir returns the identity of the process's root directory, from /proc/PID/root. It is that
// of the host's if the process sees the host's files, in whatever mount namespace it is. It needs
// the same right as [Process.Namespace]. A file system that does not answer, as one of FUSE or
// NFS may, is not waited for.
func (p *Process) RootDir() (FileID, error) { return p.rootDirAt("") }

// ThreadRootDir returns that of one thread. Where the leader has ended it has none.
func (p *Process) ThreadRootDir(tid int) (FileID, error) { return p.rootDirAt(threadDir(tid)) }

func (p *Process) rootDirAt(dir string) (FileID, error) {
	var stat unix.Statx_t
	_, err := procfd.Retry(func() (int, error) {
		return 0, unix.Statx(p.fd, dir+"root", unix.AT_STATX_DONT_SYNC, unix.STATX_INO, &stat)
	})
	if procfd.IsDenial(err) && p.ended(dir) {
		err = unix.ESRCH // The kernel also answers EACCES if the process dies meanwhile.
	}
	if err != nil {
		return FileID{}, procfd.Classify(fmt.Sprintf("look at the root of process %d", p.pid), err)
	}
	return FileID{Dev: unix.Mkdev(stat.Dev_major, stat.Dev_minor), Ino: stat.Ino}, nil
}
