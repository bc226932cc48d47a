// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// DefaultRoot is where procfs is mounted on every Linux system.
const DefaultRoot = "/proc"

// maxProcesses caps one listing of the processes: PID_MAX_LIMIT of 64-bit kernels
// (proc(5), /proc/sys/kernel/pid_max). More entries mean that it is no procfs.
const maxProcesses = 4 << 20

// FS is an open procfs.
type FS struct {
	root string
	dir  *os.File
	// uncovered says that nothing can be mounted on it.
	uncovered bool
	// covered are the processes that something is mounted over, or over a part of, with that part.
	covered atomic.Pointer[map[int]string]
	// buffers are shared by all listings, also those of processes after the FS was closed.
	buffers *procfd.Buffers
}

// NewFS opens the procfs mounted at root, such as /proc or a container's /host/proc.
// A directory of fixtures works as well: IDs are then device and inode of the files
// that the links below ns lead to. Another file system that is mounted there does not: it may hide the
// kernel's. Errors wrap [ErrNoProcfs].
//
// With CAP_SYS_ADMIN, what is mounted over processes is not seen.
func NewFS(root string) (*FS, error) {
	dir, err := os.Open(root)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoProcfs, err)
	}
	fs := &FS{root: root, dir: dir, buffers: new(procfd.Buffers)}
	if err := fs.uncover(); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s: %w", ErrNoProcfs, root, err), fs.dir.Close())
	}
	pids, err := fs.PIDs(context.Background())
	if err == nil && len(pids) == 0 {
		err = errors.New("it lists no process")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s: %w", ErrNoProcfs, root, err), fs.dir.Close())
	}
	return fs, nil
}

// Close releases the procfs. Processes opened from it stay valid.
func (fs *FS) Close() error { return fs.dir.Close() }

// Root returns the path that the procfs was opened at.
func (fs *FS) Root() string { return fs.root }

// PIDs lists the processes, in ascending order. Threads are not in it: they stand
// below each process.
func (fs *FS) PIDs(ctx context.Context) ([]int, error) {
	// A file description of its own: the directory's read offset would otherwise be
	// shared by concurrent listings.
	dir, err := procfd.OpenDir(fs.fd(), ".")
	if err != nil {
		return nil, fmt.Errorf("list processes in %s: %w", fs.root, err)
	}
	defer procfd.Close(dir)
	buffer := fs.buffers.Borrow()
	defer fs.buffers.Return(buffer)
	pids, err := procfd.ReadNumbers(ctx, dir, buffer, maxProcesses)
	if err != nil {
		return nil, fmt.Errorf("list processes in %s: %w", fs.root, err)
	}
	slices.Sort(pids)
	return pids, nil
}

// Open opens the process with this pid, as the procfs numbers it. The caller closes it. The error is
// [ErrCovered] where something is mounted over it, or, as far as [FS.FindCovered] knows, over a part
// of it.
func (fs *FS) Open(pid int) (*Process, error) {
	if part, covered := fs.coveredPart(pid); covered {
		return nil, coveredError(pid, part)
	}
	name := strconv.Itoa(pid)
	fd, err := procfd.OpenOnMount(fs.fd(), name)
	if errors.Is(err, ErrCovered) {
		return nil, coveredError(pid, "")
	}
	if err != nil {
		return nil, procfd.Classify("open process "+name, err)
	}
	return &Process{pid: pid, fd: fd, buffers: fs.buffers}, nil
}

// Has reports whether the procfs has a file of this name, such as "sys/kernel". Links in the last
// place are not followed.
func (fs *FS) Has(name string) bool {
	var stat unix.Stat_t
	return procfd.Stat(fs.fd(), name, &stat, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// fd is valid for as long as the FS is open.
func (fs *FS) fd() int { return int(fs.dir.Fd()) }

// path returns the path of a file of the procfs, for messages and for libraries that
// take no handle.
func (fs *FS) path(elem ...string) string {
	return filepath.Join(append([]string{fs.root}, elem...)...)
}
