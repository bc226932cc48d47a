package nsinspect

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openDir opens a directory for listing.
func openDir(at int, name string) (int, error) {
	return retry(func() (int, error) {
		return unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
}

// openAt opens a file for reading.
func openAt(at int, name string) (int, error) {
	return retry(func() (int, error) {
		return unix.Openat(at, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	})
}

// openFile is openAt for what reads from an [os.File].
func openFile(at int, name string) (*os.File, error) {
	fd, err := openAt(at, name)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// statAt looks at a file, as fstatat(2).
func statAt(at int, name string, stat *unix.Stat_t, flags int) error {
	_, err := retry(func() (int, error) { return 0, unix.Fstatat(at, name, stat, flags) })
	return err
}

// readAll reads a procfs file whole. The kernel renders the files used here in one
// piece, so a read that does not fill the buffer is the last one; larger files are
// read on up to the cap. The result is valid until buf is used again.
func readAll(at int, name string, buf []byte, limit int) ([]byte, error) {
	fd, err := openAt(at, name)
	if err != nil {
		return nil, err
	}
	defer closeFD(fd)
	size := 0
	for {
		n, err := retry(func() (int, error) { return unix.Read(fd, buf[size:]) })
		if err != nil {
			return nil, err
		}
		size += n
		if size < len(buf) {
			return buf[:size], nil
		}
		if size >= limit {
			return nil, fmt.Errorf("%s: %w of %d bytes", name, errTooLarge, limit)
		}
		buf = append(buf, make([]byte, min(len(buf), limit-size))...)
	}
}

// mountID returns the id of the mount that an open file is on, as mountinfo shows it, since
// Linux 5.8 (statx(2)).
func mountID(fd int) (uint64, error) {
	var stat unix.Statx_t
	_, err := retry(func() (int, error) { return 0, unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &stat) })
	if err != nil {
		return 0, fmt.Errorf("read the id of a mount: %w", err)
	}
	if stat.Mask&unix.STATX_MNT_ID == 0 {
		return 0, errors.New("read the id of a mount: the kernel does not tell it")
	}
	return stat.Mnt_id, nil
}

// retry repeats a call that a signal interrupted: the Go runtime preempts with signals.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// closeFD closes a descriptor that was only read from: its error says nothing.
func closeFD(fd int) { _ = unix.Close(fd) }
