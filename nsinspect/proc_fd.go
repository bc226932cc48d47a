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

// Descriptor is an open file of a process.
type Descriptor struct {
	// FD is the number that the process has it under.
	FD int
	// Link is what the kernel calls it, as the link in /proc/PID/fd (proc_pid_fd(5)): "socket:[42]",
	// "net:[4026531840]", "anon_inode:[eventpoll]" or a path, which is cut off. Where links can't be
	// read it is that of a socket, or empty. It is valid until the next one is visited.
	Link []byte
	// Inode is the file's, where links can't be read; else 0.
	Inode uint64
}

// Socket returns the inode of a socket, or false for anything else. Paths of files start with a
// slash, so that no file is taken for one.
func (d *Descriptor) Socket() (inode uint64, ok bool) { return parseSocketLink(d.Link) }

// DescriptorRange is which descriptors of a process are listed: those from a number on, in ascending
// order, up to a limit.
type DescriptorRange struct{ From, Limit int }

// DescriptorListing is how far a listing came.
type DescriptorListing struct {
	// Seen is how many descriptors were looked at, those included that were closed meanwhile.
	Seen int
	// Next is the number to go on from; 0 where there are no more.
	Next int
}

// Descriptors calls visit with the open descriptors of the process, until that returns false or
// the limit is reached.
//
// They are those of /proc/PID/fd (proc_pid_fd(5)), for which it takes the process's own user or
// CAP_DAC_READ_SEARCH. Without, those of /proc/PID/fdinfo are read, which takes CAP_SYS_PTRACE and
// Linux 5.14: [ErrDenied] if that is missing too.
//
// Threads nearly always share one table of descriptors: the leader's is read, or that of a
// living thread if the leader has ended. Other holders of a file are not seen: a thread that
// called unshare(2) with CLONE_FILES, io_uring(7), and a UNIX socket with the descriptor in
// flight (unix(7), SCM_RIGHTS).
func (p *Process) Descriptors(ctx context.Context, which DescriptorRange, visit func(*Descriptor) bool) (DescriptorListing, error) {
	listed, err := p.descriptorsAt(ctx, "", which, visit)
	if err != nil || listed.Seen > 0 {
		return listed, err
	}
	// A leader that has ended has no descriptors, but its threads may.
	_, err = p.InPlaceOfLeader(ctx, func(dir string) error {
		var err error
		listed, err = p.descriptorsAt(ctx, dir, which, visit)
		return err
	})
	return listed, err
}

// descriptorsAt looks at the descriptors of the thread with this directory.
func (p *Process) descriptorsAt(ctx context.Context, dir string, which DescriptorRange, visit func(*Descriptor) bool) (DescriptorListing, error) {
	d := descriptors{buffer: p.buffers.Borrow(), visit: visit, which: which}
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
	return d.listed, procfd.Classify(fmt.Sprintf("list descriptors of process %d", p.pid), err)
}

// descriptors is a listing of one of the two directories.
type descriptors struct {
	dir    int
	buffer *procfd.Buffer
	which  DescriptorRange
	visit  func(*Descriptor) bool
	listed DescriptorListing
	found  Descriptor
	// text is the memory of a descriptor's link.
	text [maxDescriptorLink]byte
	// mount is the id of the mount that all sockets are on, which is the kernel's own.
	mount uint64
}

// maxDescriptorLink is how much of a link is read: what is no path is shorter.
const maxDescriptorLink = 64

// errStop ends a listing where its reader wants no more.
var errStop = errors.New("stop")

// each calls look with the name of each descriptor, and closes the directory. Descriptors that
// were closed meanwhile are skipped.
func (d *descriptors) each(ctx context.Context, look func(name string) error) error {
	defer procfd.Close(d.dir)
	if err := d.seek(); err != nil {
		return err
	}
	err := procfd.EachEntry(ctx, d.dir, d.buffer, func(entry procfd.Dirent) error {
		fd, err := strconv.Atoi(string(entry.Name))
		if err != nil || fd < d.which.From {
			return nil //nolint:nilerr // The kernel has numbers only.
		}
		if d.listed.Seen == d.which.Limit {
			d.listed.Next = fd
			return errStop
		}
		d.listed.Seen++
		d.found = Descriptor{FD: fd}
		switch err := look(string(entry.Name)); {
		case errors.Is(err, unix.ENOENT):
			return nil
		case err != nil:
			return err
		}
		if !d.visit(&d.found) {
			d.listed.Next = fd + 1
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// seek goes to the first descriptor that is wanted. The kernel lists them in ascending order, each
// at its number and two, behind the directory itself and the one above (fs/proc/fd.c,
// proc_readfd_common).
func (d *descriptors) seek() error {
	if d.which.From == 0 {
		return nil
	}
	var stat unix.Statfs_t
	if err := unix.Fstatfs(d.dir, &stat); err != nil || stat.Type != unix.PROC_SUPER_MAGIC {
		return err // In a directory of fixtures those before it are skipped.
	}
	_, err := unix.Seek(d.dir, int64(d.which.From)+2, unix.SEEK_SET)
	return err
}

// link reads the link of a descriptor, which names what it is of.
func (d *descriptors) link(name string) error {
	n, err := procfd.Retry(func() (int, error) { return unix.Readlinkat(d.dir, name, d.text[:]) })
	if err != nil {
		return err
	}
	d.found.Link = d.text[:n]
	return nil
}

// parseSocketLink recognises "socket:[INODE]".
func parseSocketLink(link []byte) (uint64, bool) { return parseInodeLink(link, "socket") }

// parseInodeLink recognises what the kernel calls a file of its own: "KIND:[INODE]".
func parseInodeLink(link []byte, kind string) (uint64, bool) {
	number, ok := bytes.CutPrefix(link, []byte(kind))
	if !ok {
		return 0, false
	}
	number, ok = bytes.CutPrefix(number, []byte(":["))
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
	mount, inode, err := readDescriptorInfo(d.dir, name)
	if err != nil {
		return err
	}
	d.found.Inode = inode
	if mount == d.mount {
		d.found.Link = fmt.Appendf(d.text[:0], "socket:[%d]", inode)
	}
	return nil
}

// readDescriptorInfo reads the mount and the inode of a descriptor.
func readDescriptorInfo(dir int, name string) (mount, inode uint64, err error) {
	var buf [infoBufSize]byte
	fd, err := procfd.Open(dir, name)
	if err != nil {
		return 0, 0, err
	}
	defer procfd.Close(fd)
	n, err := procfd.Retry(func() (int, error) { return unix.Read(fd, buf[:]) })
	if err != nil {
		return 0, 0, err
	}
	mount, inode, ok := parseDescriptorInfo(buf[:n])
	if !ok {
		return 0, 0, fmt.Errorf("there is no inode in the information about descriptor %s: %w", name, ErrDenied)
	}
	return mount, inode, nil
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
