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
		conn, err = netlink.Dial(protocol, nil)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket in the host's network namespace: %w", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		err = conn.SetReadDeadline(deadline)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set the deadline of a netlink socket: %w", err), conn.Close())
	}
	return conn, nil
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
	go func() {
		// Never unlocked: a thread that was in another namespace ends with this goroutine and
		// does not go back to the pool.
		runtime.LockOSThread()
		result <- fs.enter(host, want, open)
	}()
	return <-result
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
