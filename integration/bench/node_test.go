// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	// maxStarted bounds what a mistake can start.
	maxStarted = 10_500
	// perContainer is how many processes a container has.
	perContainer = 30
	// own are the namespaces that each container has for itself: those that nsaudit is about.
	own = unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC
)

// node is the containers of one benchmark.
type node struct {
	cgroups    cgroups
	name       string
	containers int
	pids       []int
	// joinable are this thread's own namespaces, kept open to return to.
	joinable []int
}

// newNode returns an empty node, which the end of the benchmark empties again.
func newNode(b *testing.B) *node {
	b.Helper()
	if os.Geteuid() != 0 {
		b.Fatal(needRoot)
	}
	c, err := hierarchy()
	if err != nil {
		b.Fatal(err)
	}
	n := &node{cgroups: c, name: os.Getenv(nodeEnv)}
	b.Cleanup(func() {
		if err := n.close(); err != nil {
			b.Errorf("clean up: %v", err)
		}
	})
	return n
}

// fill starts containers with so many processes altogether, by a command that prepares another.
func (n *node) fill(b *testing.B, processes int, prepare func(command ...string) []string) {
	b.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		b.Fatal(err)
	}
	command := prepare(sleep, "infinity")
	err = n.away(func() error {
		for len(n.pids) < processes {
			if err := n.container(min(perContainer, processes-len(n.pids)), command...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatalf("start process %d of %d: %v", len(n.pids)+1, processes, err)
	}
}

// asIs prepares nothing.
func asIs(command ...string) []string { return command }

// threads starts a container with one process of at least so many threads, and returns its pid.
func (n *node) threads(b *testing.B, count int) int {
	b.Helper()
	return n.self(b, fmt.Sprintf("%d threads", count), threadsEnv+"="+strconv.Itoa(count))
}

// self starts a container with the test binary in a role, and returns its pid once it has what it is there for.
func (n *node) self(b *testing.B, what, role string) int {
	b.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer read.Close()
	err = n.away(func() error {
		return n.start(own, n.cgroup(), write.Fd(), []string{role}, "/proc/self/exe")
	})
	if err := errors.Join(err, write.Close()); err != nil {
		b.Fatalf("start a process with %s: %v", what, err)
	}
	if _, err := io.ReadFull(read, make([]byte, 1)); err != nil {
		b.Fatalf("wait for %s: %v", what, err)
	}
	return n.pids[len(n.pids)-1]
}

// away calls work on a thread that may change its namespaces and its v1 cgroup, and brings the thread back.
func (n *node) away(work func() error) error {
	runtime.LockOSThread() // If it can't be brought back it stays locked, and ends with its goroutine.
	defer func() {
		for _, fd := range n.joinable {
			_ = unix.Close(fd)
		}
		n.joinable = nil
	}()
	for _, kind := range []string{"net", "ipc", "pid"} {
		fd, err := unix.Open("/proc/thread-self/ns/"+kind, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open this thread's %s namespace: %w", kind, err)
		}
		n.joinable = append(n.joinable, fd)
	}
	home, err := n.cgroups.home()
	if err != nil {
		return err
	}
	err = errors.Join(work(), n.rejoin())
	if !n.cgroups.v2 {
		err = errors.Join(err, enterV1(home))
	}
	if err == nil {
		runtime.UnlockOSThread()
	}
	return err
}

// rejoin returns this thread to its own namespaces.
func (n *node) rejoin() error {
	for _, fd := range n.joinable {
		if err := unix.Setns(fd, 0); err != nil {
			return fmt.Errorf("return to a namespace: %w", err)
		}
	}
	return nil
}

// container starts a container: its first process makes the namespaces, and the others are started in them.
func (n *node) container(processes int, command ...string) error {
	if err := n.rejoin(); err != nil {
		return err
	}
	cgroup := n.cgroup()
	if err := n.start(own, cgroup, 0, nil, command...); err != nil {
		return err
	}
	first, err := unix.PidfdOpen(n.pids[len(n.pids)-1], 0)
	if err != nil {
		return fmt.Errorf("open the first process of a container: %w", err)
	}
	defer unix.Close(first)
	if err := unix.Setns(first, own); err != nil {
		return fmt.Errorf("join a container: %w", err)
	}
	for range processes - 1 {
		if err := n.start(0, cgroup, 0, nil, command...); err != nil {
			return err
		}
	}
	return nil
}

// cgroup names the next container's cgroup, as Docker does with the cgroupfs driver.
func (n *node) cgroup() string {
	n.containers++
	return filepath.Join(n.cgroups.dir, n.name, "docker", containerID(n.containers))
}

// containerID is the id of a container by its number.
func containerID(number int) string {
	id := sha256.Sum256([]byte(strconv.Itoa(number)))
	return hex.EncodeToString(id[:])
}

// start starts a process in a cgroup, with its output to stdout. It does without os/exec, which would keep a pidfd open
// for each of ten thousand.
func (n *node) start(flags uintptr, cgroup string, stdout uintptr, env []string, command ...string) error {
	if len(n.pids) >= maxStarted {
		return fmt.Errorf("more than %d processes", maxStarted)
	}
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(null)
	if stdout == 0 {
		stdout = uintptr(null)
	}
	attr := &syscall.ProcAttr{
		Env:   env,
		Files: []uintptr{uintptr(null), stdout, uintptr(null)},
		Sys:   &syscall.SysProcAttr{Cloneflags: flags},
	}
	if err := os.MkdirAll(cgroup, 0o755); err != nil {
		return err
	}
	if n.cgroups.v2 {
		dir, err := unix.Open(cgroup, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open cgroup: %w", err)
		}
		defer unix.Close(dir)
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, dir
	} else if flags != 0 { // The first of its container.
		if err := enterV1(cgroup); err != nil {
			return fmt.Errorf("enter cgroup: %w", err)
		}
	}
	pid, err := syscall.ForkExec(command[0], command, attr)
	if err != nil {
		return fmt.Errorf("start %s: %w", command[0], err)
	}
	n.pids = append(n.pids, pid)
	return nil
}

// close ends the processes and removes the cgroups.
func (n *node) close() error {
	var errs []error
	for _, pid := range n.pids {
		errs = append(errs, unix.Kill(pid, unix.SIGKILL))
	}
	// The first of a container only ends when the others were waited for.
	for _, pid := range slices.Backward(n.pids) {
		_, err := unix.Wait4(pid, nil, 0, nil)
		errs = append(errs, err)
	}
	n.pids = nil
	return errors.Join(append(errs, removeCgroups(n.name))...)
}
