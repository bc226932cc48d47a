// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// PeerPID returns the process that listens on a UNIX socket, from SO_PEERCRED (unix(7)).
// The number is of the caller's pid namespace; a listener that is not in it gives an error.
func PeerPID(ctx context.Context, socket string) (int, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return 0, fmt.Errorf("find the daemon behind a socket: %w", err)
	}
	pid, err := peerPID(conn.(*net.UnixConn)) //nolint:forcetypeassert // The network is "unix".
	if err := errors.Join(err, conn.Close()); err != nil {
		return 0, fmt.Errorf("find the daemon behind %s: %w", socket, err)
	}
	return pid, nil
}

func peerPID(conn *net.UnixConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, credErr); err != nil {
		return 0, err
	}
	if cred.Pid <= 0 {
		return 0, errors.New("it runs in a pid namespace that is not visible from here")
	}
	return int(cred.Pid), nil
}
