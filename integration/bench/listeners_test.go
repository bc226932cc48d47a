// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

const ssWay = "ss -ltn"

// listenerWays look for the listeners in the network of a process. The thread that calls them is in it, which the bare loop and
// ss rely on. nsaudit is not, as its agent is not: it has to enter.
func listenerWays(pid int) []way {
	return []way{
		{name: nsauditWay, look: func(ctx context.Context) (seen int, err error) {
			done := make(chan struct{})
			go func() { // On any thread but the caller's, which is locked.
				defer close(done)
				seen, err = listeners(ctx, pid)
			}()
			<-done
			return seen, err
		}},
		{name: bareWay, look: func(context.Context) (int, error) { return bareListeners() }},
		{name: procfsWay, look: func(context.Context) (int, error) { return libraryListeners(pid) }},
		{name: ssWay, command: []string{"ss", "-ltn"}, look: ss},
	}
}

// listeners is all that nsaudit learns of sockets, those of UDP, UDP-Lite, SCTP and raw ones too, with finding the host.
func listeners(ctx context.Context, pid int) (int, error) {
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		return 0, err
	}
	defer fs.Close()
	host, err := fs.Host(nil, nsinspect.HostCandidate{Reference: nsinspect.ByHostPID, PID: pid})
	if err != nil {
		return 0, err
	}
	defer host.Close()
	table, err := socket.List(ctx, host)
	if err == nil && table.Sources[socket.TCP] != socket.SockDiag {
		err = errors.New("sock_diag was not asked")
	}
	return len(table.Sockets), err
}

// bareListeners asks sock_diag for what listens with TCP, and counts the answers.
func bareListeners() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	seen := 0
	buf := make([]byte, 64<<10)
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		const headerSize, requestSize, stateListen = unix.NLMSG_HDRLEN, 56, 10 // struct inet_diag_req_v2
		request := make([]byte, headerSize+requestSize)
		binary.NativeEndian.PutUint32(request, uint32(len(request)))
		binary.NativeEndian.PutUint16(request[4:], unix.SOCK_DIAG_BY_FAMILY)
		binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
		request[headerSize], request[headerSize+1] = family, unix.IPPROTO_TCP
		binary.NativeEndian.PutUint32(request[headerSize+4:], 1<<stateListen)
		if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return 0, err
		}
		for done := false; !done; {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				return 0, err
			}
			for rest := buf[:n]; len(rest) >= headerSize; rest = rest[binary.NativeEndian.Uint32(rest):] {
				switch binary.NativeEndian.Uint16(rest[4:]) {
				case unix.NLMSG_DONE:
					done = true
				case unix.SOCK_DIAG_BY_FAMILY:
					seen++
				default:
					return 0, errors.New("sock_diag refused the question")
				}
			}
		}
	}
	return seen, nil
}

// libraryListeners is what a program would do with the procfs library. It is given the network to look at; by itself it looks
// at the reader's.
func libraryListeners(pid int) (int, error) {
	fs, err := procfs.NewFS(fmt.Sprintf("%s/%d", nsinspect.DefaultRoot, pid))
	if err != nil {
		return 0, err
	}
	const listen = 10
	seen := 0
	for _, read := range []func() (procfs.NetTCP, error){fs.NetTCP, fs.NetTCP6} { //nolint:staticcheck // Deprecated, and what programs use.
		sockets, err := read()
		if err != nil {
			return 0, err
		}
		for _, socket := range sockets {
			if socket.St == listen {
				seen++
			}
		}
	}
	return seen, nil
}

// ss runs iproute2's command, which asks sock_diag as well. Without standard output it writes to /dev/null.
func ss(ctx context.Context) (int, error) {
	if err := exec.CommandContext(ctx, "ss", "-ltn").Run(); err != nil {
		return 0, fmt.Errorf("ss (Debian package iproute2): %w", err)
	}
	return -1, nil
}
