// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"

	"github.com/prometheus/procfs"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// OpenNet opens a file below /proc/PID/net (proc_pid_net(5)) that shows the host's network
// namespace, and no other. The error is [ErrAbsent] where the kernel has no such file.
//
// The process is checked before and after, since it may move: the main thread of a program in
// Go, such as a runtime's daemon, can be in another namespace for a moment. The open file stays
// in the namespace in which it was opened.
func (h *Host) OpenNet(name string) (*os.File, error) {
	process, err := h.Process(Net)
	if err != nil {
		return nil, err
	}
	file, err := process.openNet(name)
	if err != nil {
		return nil, err
	}
	if _, err := h.Process(Net); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Interfaces returns the names of the host's network interfaces, sorted, from
// /proc/PID/net/dev, which takes no right.
func (h *Host) Interfaces() ([]string, error) {
	process, err := h.Process(Net)
	if err != nil {
		return nil, fmt.Errorf("list the host's network interfaces: %w", err)
	}
	// The library takes a path; this one leads to the open directory, not to whatever process
	// has the number by now.
	files, err := procfs.NewFS("/proc/self/fd/" + strconv.Itoa(process.fd))
	if err != nil {
		return nil, procfd.Classify("list the host's network interfaces", err)
	}
	devices, err := files.NetDev()
	if err != nil {
		return nil, procfd.Classify("list the host's network interfaces", err)
	}
	return slices.Sorted(maps.Keys(devices)), nil
}

// InNetwork calls open in the host's network namespace, on a thread of its own unless this
// process is there anyway.
//
// Where this process is elsewhere, it takes CAP_SYS_ADMIN to enter that namespace
// (setns(2)): [ErrDenied] without.
func (h *Host) InNetwork(open func() error) error {
	want, ok := h.ref.Namespaces.Get(Net)
	if !ok || h.process == nil {
		return ErrNoHost
	}
	var own unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &own); err == nil && idOf(&own) == want {
		return open()
	}
	result := make(chan error, 1)
	go onLostThread(func() { result <- h.enter(want, open) })
	return <-result
}

// onLostThread runs work on a thread that ends with this goroutine. After it was in another
// namespace, a thread must not go back to the runtime's pool.
//
// The main thread cannot exit; it must never change namespaces, because /proc/PID/ns shows it.
func onLostThread(work func()) {
	onThreadUnless(func(tid int) bool { return tid == unix.Getpid() }, work)
}

// onThreadUnless is onLostThread for any set of threads that must not run the work. While one of
// the others does, they are locked.
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
func (h *Host) enter(want ID, open func() error) error {
	fd, err := procfd.Open(h.process.fd, nsPaths[Net])
	if err != nil {
		return procfd.Classify("open the host's network namespace", err)
	}
	handle := netns.NsHandle(fd)
	defer func() { _ = handle.Close() }() // It was not written to.
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return fmt.Errorf("look at the host's network namespace: %w", err)
	}
	if idOf(&stat) != want {
		return fmt.Errorf("process %d is not in the host's net namespace any more: %w", h.process.pid, ErrVanished)
	}
	if err := netns.Set(handle); err != nil {
		return procfd.Classify("enter the host's network namespace, which takes CAP_SYS_ADMIN", err)
	}
	return open()
}
