package nsinspect

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A thread that was elsewhere is not used again.
func TestLostThread(t *testing.T) {
	tid := make(chan int)
	go onLostThread(func() { tid <- unix.Gettid() })
	mustEnd(t, <-tid)
}

// mustEnd waits for a thread's end.
func mustEnd(t *testing.T, tid int) {
	t.Helper()
	for range 500 {
		if _, err := os.Stat("/proc/self/task/" + strconv.Itoa(tid)); errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("thread %d lives on", tid)
}

// The first thread of a process can't end, so it does not go elsewhere. Here this test's own
// thread stands for it, as no goroutine can tell where it runs.
func TestLostThreadIsNotTheFirst(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, worked := unix.Gettid(), 0
	onThreadUnless(func(tid int) bool { return tid == own || tid == unix.Getpid() }, func() { worked = unix.Gettid() })
	if worked == own || worked == unix.Getpid() || worked == 0 {
		t.Fatalf("thread %d worked, the first is %d", worked, own)
	}
	mustEnd(t, worked)
	if unix.Gettid() != own {
		t.Error("the thread that stays was lost")
	}
}

func TestDialHost(t *testing.T) {
	fs, err := NewFS(DefaultRoot)
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Close()
	host, err := fs.HostReference(HostCandidate{ByHostPID, os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	conn, err := fs.dialHost(ctx, host, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Nothing was asked, so nothing comes.
	if messages, err := conn.Receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Receive = %v, %v, want %v", messages, err, os.ErrDeadlineExceeded)
	}
	if conn, err := fs.dialHost(t.Context(), HostReference{Reference: ByNone}, unix.NETLINK_SOCK_DIAG); !errors.Is(err, errNoHost) {
		t.Errorf("dialHost = %v, %v, want %v", conn, err, errNoHost)
	}
}

// Not even of the same user: a message of a process is none of the kernel's.
func TestDialHostHearsKernelOnly(t *testing.T) {
	fs, err := NewFS(DefaultRoot)
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Close()
	host, err := fs.HostReference(HostCandidate{ByHostPID, os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := fs.dialHost(t.Context(), host, unix.NETLINK_SOCK_DIAG)
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
	defer closeFD(other)
	forged := make([]byte, unix.NLMSG_HDRLEN)
	forged[0], forged[4], forged[6] = unix.NLMSG_HDRLEN, unix.NLMSG_DONE, unix.NLM_F_MULTI
	// EPERM is the answer to whoever lacks CAP_NET_ADMIN.
	if err := unix.Sendto(other, forged, 0, own); !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.EPERM) {
		t.Errorf("a process's message to the socket: %v, want %v", err, unix.ECONNREFUSED)
	}
}
