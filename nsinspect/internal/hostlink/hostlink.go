// SPDX-License-Identifier: Apache-2.0

// Package hostlink opens netlink sockets in the network namespace of the host.
package hostlink

import (
	"context"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// dumpBuffer is the size of the buffer for each part of a dump. The kernel fills parts as large
// as the reader's last buffer, up to 32 KiB (net/netlink/af_netlink.c, netlink_dump). Speed
// is not the only reason: an object that fits into no part silently ends the dump of rules, and
// the library's default is about 4 KiB.
const dumpBuffer = 32 << 10

// Dial opens a netlink socket (netlink(7)) of this protocol in the host's network
// namespace. The socket stays there, whichever thread uses it. Its reads fail after the
// context's deadline.
//
// Where this process is elsewhere, it takes CAP_SYS_ADMIN to enter that namespace
// (setns(2)): [nsinspect.ErrDenied] without.
func Dial(ctx context.Context, host *nsinspect.Host, protocol int) (*netlink.Conn, error) {
	var conn *netlink.Conn
	err := host.InNetwork(func() error {
		var err error
		conn, err = netlink.Dial(protocol, &netlink.Config{MessageBufferSize: dumpBuffer})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket in the host's network namespace: %w", err)
	}
	err = hearKernelOnly(conn)
	if deadline, ok := ctx.Deadline(); ok {
		err = errors.Join(err, conn.SetReadDeadline(deadline))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up a netlink socket: %w", err), conn.Close())
	}
	return conn, nil
}

// hearKernelOnly connects a netlink socket to the kernel, so that it receives no message from a
// process. Otherwise a process with CAP_NET_ADMIN in the host's network namespace could end a
// dump early, and so hide what follows.
func hearKernelOnly(conn *netlink.Conn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var connectErr error
	err = raw.Control(func(fd uintptr) {
		connectErr = unix.Connect(int(fd), &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	})
	return errors.Join(err, connectErr)
}
