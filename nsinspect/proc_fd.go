// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// SocketInodes calls visit with the inode of each socket among the open descriptors of the
// process, once a descriptor, and returns how many descriptors of any kind it saw. Those
// beyond limit are not looked at: the error then is [ErrTooLarge].
//
// The descriptors are those of /proc/PID/fd (proc_pid_fd(5)), for which it takes the process's
// own user or CAP_DAC_READ_SEARCH. Without, those of /proc/PID/fdinfo are read, which takes
// CAP_SYS_PTRACE and Linux 5.14: [ErrDenied] if that is missing too.
//
// Threads nearly always share one table of descriptors: the leader's is read, or that of a
// living thread if the leader has ended. Other holders of a socket are not seen: a thread that
// called unshare(2) with CLONE_FILES, io_uring(7), and a UNIX socket with the descriptor in
// flight (unix(7), SCM_RIGHTS).
func (p *Process) SocketInodes(ctx context.Context, visit func(inode uint64), limit int) (seen int, err error) {
	seen, err = p.socketInodesAt(ctx, "", visit, limit)
	if err != nil || seen > 0 {
		return seen, err
	}
	// A leader that has ended has no descriptors, but its threads may.
	_, err = p.InPlaceOfLeader(ctx, func(dir string) error {
		var err error
		seen, err = p.socketInodesAt(ctx, dir, visit, limit)
		return err
	})
	return seen, err
}

// socketInodesAt looks at the descriptors of the thread with this directory.
func (p *Process) socketInodesAt(ctx context.Context, dir string, visit func(inode uint64), limit int) (int, error) {
	d := descriptors{buffer: p.buffers.Borrow(), visit: visit, limit: limit}
	defer p.buffers.Return(d.buffer)
	var err error
	if d.dir, err = procfd.OpenDir(p.fd, dir+"fd"); err == nil {
		err = d.each(ctx, d.link)
	} else if procfd.IsDenial(err) {
		if d.dir, err = procfd.OpenDir(p.fd, dir+"fdinfo"); err == nil {
			err = d.infos(ctx)
		}
	}
	if err != nil && procfd.IsDenial(err) && p.ended(dir) {
		// The kernel also answers EACCES if the process dies meanwhile.
		err = unix.ESRCH
	}
	return d.seen, procfd.Classify(fmt.Sprintf("list descriptors of process %d", p.pid), err)
}

// descriptors is a listing of one of the two directories.
type descriptors struct {
	dir    int
	buffer *procfd.Buffer
	visit  func(inode uint64)
	limit  int
	seen   int
	// mount is the id of the mount that all sockets are on, which is the kernel's own.
	mount uint64
}

// each calls look with the name of each descriptor, and closes the directory. Descriptors that
// were closed meanwhile are skipped.
func (d *descriptors) each(ctx context.Context, look func(name string) error) error {
	defer procfd.Close(d.dir)
	return procfd.EachEntry(ctx, d.dir, d.buffer, func(entry procfd.Dirent) error {
		if d.seen == d.limit {
			return fmt.Errorf("more than %d descriptors: %w", d.limit, ErrTooLarge)
		}
		d.seen++
		if err := look(string(entry.Name)); !errors.Is(err, unix.ENOENT) {
			return err
		}
		return nil
	})
}

// link reads the link of a descriptor, which names what it is of.
func (d *descriptors) link(name string) error {
	var buf [len("socket:[18446744073709551615]") + 1]byte // One more, to see that a link is longer.
	n, err := procfd.Retry(func() (int, error) { return unix.Readlinkat(d.dir, name, buf[:]) })
	if err != nil {
		return err
	}
	if inode, ok := parseSocketLink(buf[:n]); ok {
		d.visit(inode)
	}
	return nil
}

// parseSocketLink recognises "socket:[INODE]". Paths of files start with a slash.
func parseSocketLink(link []byte) (uint64, bool) {
	number, ok := bytes.CutPrefix(link, []byte("socket:["))
	if !ok {
		return 0, false
	}
	number, ok = bytes.CutSuffix(number, []byte{']'})
	if !ok {
		return 0, false
	}
	inode, err := strconv.ParseUint(string(number), 10, 64)
	return inode, err == nil
}

func (d *descriptors) infos(ctx context.Context) error {
	mount, err := socketMount()
	if err != nil {
		procfd.Close(d.dir)
		return err
	}
	d.mount = mount
	return d.each(ctx, d.info)
}

// socketMount returns the id of the mount that all sockets are on, from a socket of its own.
func socketMount() (uint64, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("make a socket: %w", err)
	}
	defer procfd.Close(fd)
	return procfd.MountID(fd)
}

// infoBufSize holds the lines of a descriptor's information that all kinds of files have.
// More lines may follow: for epoll(7), one for each file that is waited for.
const infoBufSize = 128

// info reads the information about a descriptor.
func (d *descriptors) info(name string) error {
	var buf [infoBufSize]byte
	fd, err := procfd.Open(d.dir, name)
	if err != nil {
		return err
	}
	defer procfd.Close(fd)
	n, err := procfd.Retry(func() (int, error) { return unix.Read(fd, buf[:]) })
	if err != nil {
		return err
	}
	mount, inode, ok := parseDescriptorInfo(buf[:n])
	if !ok {
		return fmt.Errorf("there is no inode in the information about descriptor %s: %w", name, ErrDenied)
	}
	if mount == d.mount {
		d.visit(inode)
	}
	return nil
}

// parseDescriptorInfo reads two of the first lines of /proc/PID/fdinfo/FD
// (proc_pid_fdinfo(5)): "mnt_id:" and, since Linux 5.14, "ino:".
func parseDescriptorInfo(text []byte) (mount, inode uint64, ok bool) {
	const lines = 4 // pos, flags, mnt_id, ino: those below are of the kind of file.
	var haveMount, haveInode bool
	for range lines {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		if !whole {
			break
		}
		text = rest
		name, value, _ := bytes.Cut(line, []byte{':'})
		number, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 64)
		switch string(name) {
		case "mnt_id":
			mount, haveMount = number, err == nil
		case "ino":
			inode, haveInode = number, err == nil
		}
	}
	return mount, inode, haveMount && haveInode
}
