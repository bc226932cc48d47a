// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// holdSockets makes the sockets of all specs, those that connect last, and prints what must be
// seen of them.
func holdSockets(role) error {
	if err := loopbackUp(); err != nil {
		return err
	}
	var seen []socket.Socket
	for _, connecting := range []bool{false, true} {
		for name, spec := range socketSpecs() {
			if spec.connect.IsValid() != connecting {
				continue
			}
			fd, err := spec.open()
			if spec.number != 0 && errors.Is(err, unix.EPROTONOSUPPORT) {
				continue // Where a kernel lacks the protocol, there is no such socket.
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			sockets, err := spec.seen(fd)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if !spec.unseen {
				seen = append(seen, sockets...)
			}
		}
	}
	// The kernel shows those that listen first, also the one that was made last.
	late := socketSpec{protocol: socket.TCP, family: unix.AF_INET, kind: unix.SOCK_STREAM, address: netip.MustParseAddrPort("127.0.0.1:10099"), backlog: 8}
	fd, err := late.open()
	if err != nil {
		return err
	}
	sockets, err := late.seen(fd)
	if err != nil {
		return err
	}
	return printAndBlock(append(seen, sockets...))
}

// floodSockets has N listening sockets.
func floodSockets(r role) error {
	if err := loopbackUp(); err != nil {
		return err
	}
	limit := unix.Rlimit{Cur: uint64(r.N) + 100, Max: uint64(r.N) + 100} //nolint:gosec // A count.
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	for i := range r.N {
		spec := socketSpec{
			family: unix.AF_INET, kind: unix.SOCK_STREAM, backlog: 1,
			address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(1024+i)), //nolint:gosec // A port.
		}
		if _, err := spec.open(); err != nil {
			return err
		}
	}
	ready("")
	return awaitEnd()
}

func loopbackUp() error {
	if output, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("set lo up: %w: %s", err, output)
	}
	return nil
}

func printAndBlock(value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	ready("%s", text)
	return awaitEnd()
}

// oneListener makes a listening socket and returns it with its inode.
func oneListener() (fd int, inode uint64, err error) {
	spec := socketSpec{family: unix.AF_INET, kind: unix.SOCK_STREAM, address: netip.MustParseAddrPort("127.0.0.1:13001"), backlog: 1}
	if fd, err = spec.open(); err != nil {
		return 0, 0, err
	}
	sockets, err := spec.seen(fd)
	if err != nil {
		return 0, 0, err
	}
	return fd, sockets[0].Inode, nil
}

// handOver makes a socket, prints its inode, and after another line gives it to the process
// at the other end of the UNIX socket Path. It keeps none.
func handOver(r role) error {
	if err := loopbackUp(); err != nil {
		return err
	}
	fd, inode, err := oneListener()
	if err != nil {
		return err
	}
	ready("%d", inode)
	if _, err := readLine(); err != nil {
		return err
	}
	conn, err := net.Dial("unix", r.Path)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, _, err := conn.(*net.UnixConn).WriteMsgUnix([]byte{0}, unix.UnixRights(fd), nil); err != nil {
		return err
	}
	if err := unix.Close(fd); err != nil {
		return err
	}
	ready("")
	return awaitEnd()
}

// takeOver waits at the UNIX socket Path for a descriptor and keeps it.
func takeOver(r role) error {
	listener, err := net.Listen("unix", r.Path)
	if err != nil {
		return err
	}
	defer listener.Close()
	ready("")
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(make([]byte, 1), control)
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	ready("%d", len(fds))
	return awaitEnd()
}

// leaveWith makes a socket, prints its inode, and then leaves for another network namespace,
// with the socket.
func leaveWith(r role) error {
	if err := loopbackUp(); err != nil {
		return err
	}
	fd, inode, err := oneListener()
	if err != nil {
		return err
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "inode %d\n", inode)
	return become(r)
}

// endHolding makes a socket, prints its inode, and ends the process's first thread.
func endHolding(r role) error {
	_, inode, err := oneListener()
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "inode %d\n", inode)
	return endLeader(r)
}

// holdUnprivileged has a socket of every family that anyone may make.
func holdUnprivileged(role) error {
	for _, family := range []int{unix.AF_INET, unix.AF_INET6, unix.AF_UNIX} {
		if _, err := unix.Socket(family, unix.SOCK_STREAM, 0); err != nil {
			return fmt.Errorf("make a socket of family %d: %w", family, err)
		}
	}
	ready("")
	return awaitEnd()
}
