package nsinspect

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"

	"github.com/mdlayher/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// dumpBuffer is the size of the buffer for each part of a dump. The kernel fills parts as large
// as the reader's last buffer, up to 32 KiB (net/netlink/af_netlink.c, netlink_dump). That is
// not about speed alone: an object that fits into no part ends the dump of rules without an
// error, and the library by itself would leave it at some 4 KiB.
const dumpBuffer = 32 << 10

// errNoHost is the answer where there is no host reference.
var errNoHost = errors.New("there is no host reference")

// dialHost opens a netlink socket (netlink(7)) of this protocol in the host's network
// namespace. The socket stays there whichever thread uses it. Its reads end when the
// context does, by its deadline.
//
// Where this process is elsewhere, it takes CAP_SYS_ADMIN to enter that namespace
// (setns(2)): [ErrDenied] without.
func (fs *FS) dialHost(ctx context.Context, host HostReference, protocol int) (*netlink.Conn, error) {
	var conn *netlink.Conn
	err := fs.inHostNetwork(host, func() error {
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

// hearKernelOnly connects a netlink socket to the kernel, after which no message of a process
// gets in. Else whoever has CAP_NET_ADMIN in the host's network namespace could end a dump
// before its time, and so hide what follows.
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

// inHostNetwork calls open in the host's network namespace, on a thread of its own unless
// this process is there anyway.
func (fs *FS) inHostNetwork(host HostReference, open func() error) error {
	want, ok := host.Namespaces.Get(Net)
	if !ok {
		return errNoHost
	}
	var own unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &own); err == nil && idOf(&own) == want {
		return open()
	}
	result := make(chan error, 1)
	go onLostThread(func() { result <- fs.enter(host, want, open) })
	return <-result
}

// onLostThread runs work on a thread that ends with this goroutine and does not go back to
// the pool, which it must not after it was in another namespace.
//
// The first thread of a process never ends: it would stay there, and be what others see of
// this process.
func onLostThread(work func()) {
	onThreadUnless(func(tid int) bool { return tid == unix.Getpid() }, work)
}

// onThreadUnless is onLostThread but for any threads that must stay. They are only held while
// another works.
func onThreadUnless(stays func(tid int) bool, work func()) {
	runtime.LockOSThread()
	if !stays(unix.Gettid()) {
		work()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		onThreadUnless(stays, work)
	}()
	<-done
	runtime.UnlockOSThread()
}

// enter moves this thread into the host's network namespace and calls open.
func (fs *FS) enter(host HostReference, want ID, open func() error) error {
	handle, err := netns.GetFromPath(fs.path(strconv.Itoa(host.PID), "ns", "net"))
	if err != nil {
		return classify("open the host's network namespace", err)
	}
	defer func() { _ = handle.Close() }() // It was not written to.
	var stat unix.Stat_t
	if err := unix.Fstat(int(handle), &stat); err != nil {
		return fmt.Errorf("look at the host's network namespace: %w", err)
	}
	if idOf(&stat) != want {
		// The reference ended, and its pid is another's by now.
		return fmt.Errorf("open the host's network namespace: %w", ErrVanished)
	}
	if err := netns.Set(handle); err != nil {
		return classify("enter the host's network namespace, which takes CAP_SYS_ADMIN", err)
	}
	return open()
}
