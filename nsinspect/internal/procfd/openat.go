// SPDX-License-Identifier: Apache-2.0

package procfd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// OpenDir opens a directory for listing.
func OpenDir(at int, name string) (int, error) {
	return Retry(func() (int, error) {
		return unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
}

// OpenOnMount opens a handle of a directory that is on the same mount as at. The error is [ErrCovered]
// where something is mounted there, of which nothing is touched: a file system in user space might not
// answer.
func OpenOnMount(at int, name string) (int, error) {
	fd, err := Retry(func() (int, error) {
		return unix.Openat2(at, name, &unix.OpenHow{
			Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS,
		})
	})
	if errors.Is(err, unix.EXDEV) {
		return -1, ErrCovered
	}
	return fd, err
}

// Open opens a file for reading.
func Open(at int, name string) (int, error) {
	return Retry(func() (int, error) {
		return unix.Openat(at, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	})
}

// OpenFile is Open for what reads from an [os.File].
func OpenFile(at int, name string) (*os.File, error) {
	fd, err := Open(at, name)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Stat looks at a file, as fstatat(2).
func Stat(at int, name string, stat *unix.Stat_t, flags int) error {
	_, err := Retry(func() (int, error) { return 0, unix.Fstatat(at, name, stat, flags) })
	return err
}

// ReadAll reads a procfs file whole. The kernel renders the files used here in one
// piece, so a read that does not fill the buffer is the last one; larger files are
// read on up to the cap. The result is valid until buf is used again.
func ReadAll(at int, name string, buf []byte, limit int) ([]byte, error) {
	fd, err := Open(at, name)
	if err != nil {
		return nil, err
	}
	defer Close(fd)
	size := 0
	for {
		n, err := Retry(func() (int, error) { return unix.Read(fd, buf[size:]) })
		if err != nil {
			return nil, err
		}
		size += n
		if size < len(buf) {
			return buf[:size], nil
		}
		if size >= limit {
			return nil, fmt.Errorf("%s: %w of %d bytes", name, ErrTooLarge, limit)
		}
		buf = append(buf, make([]byte, min(len(buf), limit-size))...)
	}
}

// ReadLines reads a procfs file that the kernel renders line by line, up to a page at a time: to
// its end, as long as it has less than limit bytes. The memory of old is used again.
func ReadLines(at int, name string, old []byte, limit int) ([]byte, error) {
	fd, err := Open(at, name)
	if err != nil {
		return nil, err
	}
	defer Close(fd)
	text := old[:0]
	for len(text) < limit {
		text = slices.Grow(text, pageSize)
		n, err := Retry(func() (int, error) { return unix.Read(fd, text[len(text):cap(text)]) })
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return text, nil
		}
		text = text[:len(text)+n]
	}
	return nil, fmt.Errorf("%s: %w of %d bytes", name, ErrTooLarge, limit)
}

// pageSize is at most what the kernel renders at a time, unless a line is longer.
const pageSize = 4 << 10

// ParseFile parses a file of less than limit bytes. Of a larger one the error is [ErrTooLarge].
func ParseFile[T any](at int, name string, limit int64, parse func(io.Reader) (T, error)) (T, error) {
	file, err := OpenFile(at, name)
	if err != nil {
		var none T
		return none, err
	}
	defer func() { _ = file.Close() }() // It was only read from.
	text := &io.LimitedReader{R: file, N: limit}
	parsed, err := parse(text)
	if text.N == 0 {
		err = fmt.Errorf("%s: %w of %d bytes", name, ErrTooLarge, limit)
	}
	return parsed, err
}

// MountID returns the id of the mount that an open file is on, as mountinfo shows it, since
// Linux 5.8 (statx(2)).
func MountID(fd int) (uint64, error) {
	var stat unix.Statx_t
	_, err := Retry(func() (int, error) { return 0, unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &stat) })
	if err != nil {
		return 0, fmt.Errorf("read the id of a mount: %w", err)
	}
	if stat.Mask&unix.STATX_MNT_ID == 0 {
		return 0, errors.New("read the id of a mount: the kernel does not tell it")
	}
	return stat.Mnt_id, nil
}

// Uncover returns a handle of the root of the mount that an open directory is on, with nothing mounted
// on it, now or later: of a copy of that mount which nobody else sees. It takes CAP_SYS_ADMIN, and
// Linux 5.12 (open_tree(2), mount_setattr(2)).
func Uncover(dir int) (int, error) {
	const flags = unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_EMPTY_PATH
	fd, err := Retry(func() (int, error) { return unix.OpenTree(dir, "", flags) })
	if err != nil {
		return -1, fmt.Errorf("copy a mount: %w", err)
	}
	// Without this, mounts on the first would appear on the copy as well.
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Propagation: unix.MS_PRIVATE}); err != nil {
		Close(fd)
		return -1, fmt.Errorf("make a copy of a mount private: %w", err)
	}
	return fd, nil
}

// IsProcfs reports whether an open file is on a procfs, and whether it is the root of a mount.
func IsProcfs(fd int) (is, mounted bool, err error) {
	var fs unix.Statfs_t
	var file unix.Statx_t
	if _, err := Retry(func() (int, error) { return 0, unix.Fstatfs(fd, &fs) }); err != nil {
		return false, false, err
	}
	if _, err := Retry(func() (int, error) { return 0, unix.Statx(fd, "", unix.AT_EMPTY_PATH, 0, &file) }); err != nil {
		return false, false, err
	}
	return fs.Type == unix.PROC_SUPER_MAGIC, file.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
}

// Retry repeats a call that a signal interrupted: the Go runtime preempts with signals.
func Retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// Close closes a descriptor that was only read from, so that its error does not matter.
func Close(fd int) { _ = unix.Close(fd) }
