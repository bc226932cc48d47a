// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// Executable is the file that a process executes, as far as it identifies the program.
type Executable struct {
	FileID

	// Size is that of the file, in bytes.
	Size uint64
	// Links is how many names the file has: a file in memory (memfd_create(2)) has none.
	Links uint32
}

// IsCopyOf reports whether this is the same file as another, or may be a copy that a container runtime
// made of its own program, so that no container can write to it: one without a name (runc up to 1.1,
// and crun), or the same inode by way of an overlay file system (runc since 1.2).
func (e Executable) IsCopyOf(other Executable) bool {
	if e.FileID == other.FileID {
		return true
	}
	return e.Size == other.Size && (e.Links == 0 || e.Ino == other.Ino)
}

// Executable returns what the process executes, from /proc/PID/exe (proc_pid_exe(5)). It needs the same
// right as [Process.Namespace]. A kernel thread and a zombie have none: [ErrVanished]. A file system
// that does not answer, as one of FUSE may, is not waited for.
func (p *Process) Executable() (Executable, error) {
	var stat unix.Statx_t
	const wanted = unix.STATX_INO | unix.STATX_SIZE | unix.STATX_NLINK
	_, err := procfd.Retry(func() (int, error) {
		return 0, unix.Statx(p.fd, "exe", unix.AT_STATX_DONT_SYNC, wanted, &stat)
	})
	if procfd.IsDenial(err) && p.ended("") {
		err = unix.ESRCH // The kernel also answers EACCES if the process dies meanwhile.
	}
	if err != nil {
		return Executable{}, procfd.Classify(fmt.Sprintf("look at the executable of process %d", p.pid), err)
	}
	id := FileID{Dev: unix.Mkdev(stat.Dev_major, stat.Dev_minor), Ino: stat.Ino}
	return Executable{FileID: id, Size: stat.Size, Links: stat.Nlink}, nil
}

// ThreadRuns reports whether a thread has a program to execute, from /proc/PID/task/TID/exe: one that is
// ending gives that up before its namespaces, of which the PID namespace stays until its parent takes note.
// What can't be read of a thread is taken for running.
func (p *Process) ThreadRuns(tid int) bool {
	_, err := procfd.Retry(func() (int, error) { return unix.Readlinkat(p.fd, threadDir(tid)+"exe", make([]byte, 1)) })
	return !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESRCH)
}

// maxExecutablePath is what is read of a path: PATH_MAX.
const maxExecutablePath = 4 << 10

// ExecutablePath returns the path of what the process executes, as the kernel shows it in
// /proc/PID/exe: with " (deleted)" behind it if it has no name any more, and cut off after 4,096 bytes.
// Of a process of a container it is chosen by the container: escape it before it is shown. It needs the
// same right as [Process.Namespace].
func (p *Process) ExecutablePath() (string, error) {
	text := make([]byte, maxExecutablePath)
	n, err := procfd.Retry(func() (int, error) { return unix.Readlinkat(p.fd, "exe", text) })
	if procfd.IsDenial(err) && p.ended("") {
		err = unix.ESRCH
	}
	if err != nil {
		return "", procfd.Classify(fmt.Sprintf("read the path of the executable of process %d", p.pid), err)
	}
	return string(text[:n]), nil
}

// Parent returns the pid of the parent of the process, from /proc/PID/stat (proc_pid_stat(5), ppid),
// which anyone may read. It is 0 where the parent is not visible in the procfs. The parent of a process
// whose own has ended is one that takes in orphans (PR_SET_CHILD_SUBREAPER(2const)).
func (p *Process) Parent() (int, error) {
	doing := fmt.Sprintf("read the parent of process %d", p.pid)
	text, err := procfd.ReadAll(p.fd, "stat", make([]byte, statBufSize), statBufSize)
	if err != nil {
		return 0, procfd.Classify(doing, err)
	}
	stat, ok := parseStat(text)
	if !ok {
		return 0, fmt.Errorf("%s: stat: %w", doing, ErrMalformed)
	}
	return int(stat.ppid), nil //nolint:gosec // It was parsed with 31 bits.
}
