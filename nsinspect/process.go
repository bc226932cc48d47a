// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// Process is an open process: a handle of its directory in procfs. The handle pins the
// process, so once it is gone every method answers [ErrVanished], also when its pid
// belongs to another process by then.
type Process struct {
	pid     int
	fd      int
	buffers *procfd.Buffers
}

// PID returns the process id, as the procfs numbers it.
func (p *Process) PID() int { return p.pid }

// FD returns the handle, for what reads relative to it as openat(2) does. It is valid until
// Close.
func (p *Process) FD() int { return p.fd }

// Close releases the handle.
func (p *Process) Close() { procfd.Close(p.fd) }

// Namespace returns the namespace that the process's leader is in, from
// /proc/PID/ns/KIND. It needs the right to ptrace-read the process (ptrace(2),
// PTRACE_MODE_READ_FSCREDS), in practice CAP_SYS_PTRACE. A zombie has none: [ErrVanished].
func (p *Process) Namespace(k Kind) (ID, error) {
	return p.namespaceAt("", k)
}

// ThreadNamespace returns the namespace of one thread, from /proc/PID/task/TID/ns/KIND.
func (p *Process) ThreadNamespace(tid int, k Kind) (ID, error) {
	return p.namespaceAt(threadDir(tid), k)
}

// threadDir returns the directory of a thread, relative to that of its process.
func threadDir(tid int) string { return "task/" + strconv.Itoa(tid) + "/" }

// Namespaces returns every kind that the kernel has. It fails with the first outcome that
// is no value, except for kinds younger than the kernel.
func (p *Process) Namespaces() (Namespaces, error) {
	var all Namespaces
	for _, kind := range Kinds() {
		id, err := p.Namespace(kind)
		if errors.Is(err, ErrVanished) && (kind == Time || kind == Cgroup) {
			continue // Linux 5.6 and 4.6; the other kinds show whether the process lives.
		}
		if err != nil {
			return Namespaces{}, err
		}
		all.Set(kind, id)
	}
	return all, nil
}

// namespaceAt follows the link in the ns directory below dir to the nsfs file. Following
// gives device and inode in one call; the link's text has the inode only.
func (p *Process) namespaceAt(dir string, k Kind) (ID, error) {
	var stat unix.Stat_t
	name := dir + nsPaths[k]
	err := procfd.Stat(p.fd, name, &stat, 0)
	if err == nil {
		return idOf(&stat), nil
	}
	if procfd.IsDenial(err) && p.ended(dir) {
		// The kernel also answers EACCES if the process dies meanwhile.
		err = unix.ESRCH
	}
	return ID{}, procfd.Classify(fmt.Sprintf("read namespace %s of process %d", name, p.pid), err)
}

// idOf returns the identity of an nsfs file that was looked at.
func idOf(stat *unix.Stat_t) ID {
	return ID{Dev: uint64(stat.Dev), Ino: stat.Ino} //nolint:unconvert // Dev is 32 bits wide on some architectures.
}

// nsPaths saves a concatenation for each read: it is most of what a scan does.
var nsPaths = [numKinds]string{
	"ns/net", "ns/pid", "ns/ipc", "ns/user", "ns/mnt", "ns/uts", "ns/cgroup", "ns/time",
}

// Ended reports whether the process is known to have ended, be it to a zombie.
func (p *Process) Ended() bool { return p.ended("") }

// ended reports whether the process, or the thread whose directory is given, is known to have
// ended: its stat file, which anyone may read, is gone or shows a dead state. If that file can't
// be read either, it is not known to have ended, and a denial stays a denial.
func (p *Process) ended(dir string) bool {
	text, err := procfd.ReadAll(p.fd, dir+"stat", make([]byte, statBufSize), statBufSize)
	if err != nil {
		return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH)
	}
	stat, ok := parseStat(text)
	return ok && stat.dead()
}

// maxCommand is TASK_COMM_LEN for user tasks; kernel threads may have longer names
// (proc_pid_comm(5)).
const maxCommand = 64

// Command returns the name of the process, from /proc/PID/comm. A process sets it itself
// to any 15 bytes, control characters included: escape it before it is shown.
func (p *Process) Command() (string, error) {
	text, err := procfd.ReadAll(p.fd, "comm", make([]byte, maxCommand+2), maxCommand+2)
	if err != nil {
		return "", procfd.Classify(fmt.Sprintf("read command of process %d", p.pid), err)
	}
	return string(bytes.TrimSuffix(text, []byte("\n"))), nil
}

// Threads lists the ids of the process's threads, from /proc/PID/task.
func (p *Process) Threads(ctx context.Context) ([]int, error) {
	dir, err := procfd.OpenDir(p.fd, "task")
	if err != nil {
		return nil, procfd.Classify(fmt.Sprintf("list threads of process %d", p.pid), err)
	}
	defer procfd.Close(dir)
	buffer := p.buffers.Borrow()
	defer p.buffers.Return(buffer)
	tids, err := procfd.ReadNumbers(ctx, dir, buffer, maxProcesses)
	return tids, procfd.Classify(fmt.Sprintf("list threads of process %d", p.pid), err)
}

// singleThreaded reports whether the process has one thread, without listing them: the
// kernel counts threads into the link count of the task directory (fs/proc/base.c,
// proc_task_getattr). Any other count leads to the listing.
func (p *Process) singleThreaded() (bool, error) {
	var stat unix.Stat_t
	if err := procfd.Stat(p.fd, "task", &stat, 0); err != nil {
		return false, procfd.Classify(fmt.Sprintf("count threads of process %d", p.pid), err)
	}
	return stat.Nlink == 3, nil
}

// openNet opens a file below /proc/PID/net. The error is [ErrAbsent] where the kernel has no
// such file.
func (p *Process) openNet(name string) (*os.File, error) {
	file, err := procfd.OpenFile(p.fd, "net/"+name)
	if errors.Is(err, unix.ENOENT) {
		// If the process has ended, every file is missing. Each namespace has this one.
		var stat unix.Stat_t
		if err := procfd.Stat(p.fd, "net/dev", &stat, 0); err == nil {
			return nil, ErrAbsent
		}
	}
	if err != nil {
		return nil, procfd.Classify("open", err)
	}
	return file, nil
}

// InPlaceOfLeader calls look with the directories of living threads, relative to that of the
// process, if its leader has ended while others run on: the leader's own files are empty then.
// It ends with the first outcome but [ErrVanished], and reports whether there was one.
func (p *Process) InPlaceOfLeader(ctx context.Context, look func(dir string) error) (bool, error) {
	single, err := p.singleThreaded()
	if err != nil || single || !p.ended("") {
		return false, err
	}
	tids, err := p.Threads(ctx)
	if err != nil {
		return false, err
	}
	for _, tid := range tids {
		if tid == p.pid || p.ended(threadDir(tid)) {
			continue
		}
		if err := look(threadDir(tid)); !errors.Is(err, ErrVanished) {
			return true, err
		}
	}
	return false, nil
}
