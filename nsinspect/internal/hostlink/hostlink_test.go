// SPDX-License-Identifier: Apache-2.0

package hostlink

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

func TestDialHost(t *testing.T) {
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Close()
	host, err := fs.Host(nil, nsinspect.HostCandidate{Reference: nsinspect.ByHostPID, PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	conn, err := Dial(ctx, host, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Nothing was asked, so nothing comes.
	if messages, err := conn.Receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Receive = %v, %v, want %v", messages, err, os.ErrDeadlineExceeded)
	}
	none, _ := fs.Host(nil)
	if conn, err := Dial(t.Context(), none, unix.NETLINK_SOCK_DIAG); !errors.Is(err, nsinspect.ErrNoHost) {
		t.Errorf("Dial = %v, %v, want %v", conn, err, nsinspect.ErrNoHost)
	}
}

// Not even of the same user: a message of a process is none of the kernel's.
func TestDialHostHearsKernelOnly(t *testing.T) {
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Close()
	host, err := fs.Host(nil, nsinspect.HostCandidate{Reference: nsinspect.ByHostPID, PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	conn, err := Dial(t.Context(), host, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var own unix.Sockaddr
	if err := raw.Control(func(fd uintptr) { own, err = unix.Getsockname(int(fd)) }); err != nil {
		t.Fatal(err)
	}
	other, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		t.Fatal(err)
	}
	defer procfd.Close(other)
	forged := make([]byte, unix.NLMSG_HDRLEN)
	forged[0], forged[4], forged[6] = unix.NLMSG_HDRLEN, unix.NLMSG_DONE, unix.NLM_F_MULTI
	// EPERM is the answer without CAP_NET_ADMIN.
	if err := unix.Sendto(other, forged, 0, own); !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.EPERM) {
		t.Errorf("a process's message to the socket: %v, want %v", err, unix.ECONNREFUSED)
	}
}
