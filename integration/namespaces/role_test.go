// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/reexec"
)

// role is what such a process does. It waits for a line on its standard input, so that the
// test can put it into a cgroup before; does its part; prints a line that begins with
// "ready"; and ends when its standard input does.
type role struct {
	// Do names the part: see parts.
	Do string
	// N is a number of threads or processes.
	N int `json:",omitempty"`
	// Unshare are CLONE_NEW flags, and Join files of namespaces, to be left and entered.
	Unshare uintptr  `json:",omitempty"`
	Join    []string `json:",omitempty"`
	// Command is the name that the process gives itself.
	Command string `json:",omitempty"`
	// PID and Pids are other processes, IDs are cgroups, and Path is a file: see the parts.
	PID  int      `json:",omitempty"`
	IDs  []uint64 `json:",omitempty"`
	Pids []int    `json:",omitempty"`
	Path string   `json:",omitempty"`
	// Mount are options to mount another procfs with, over the usual one.
	Mount string `json:",omitempty"`
	// UID is the user that Then is started as.
	UID uint32 `json:",omitempty"`
	// Now leaves out the waiting.
	Now bool `json:",omitempty"`
	// Then is the role of what the process starts, or becomes.
	Then *role `json:",omitempty"`
}

// spec is the argument of the process that plays the role.
func (r role) spec() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // It holds only strings and numbers.
	}
	return string(text)
}

// command starts a process in the role.
func (r role) command() *exec.Cmd { return reexec.Command(r.Do, r.spec()) }

// next is the role that comes next, which does not wait.
func (r role) next() role {
	next := *r.Then
	next.Now = true
	return next
}

// roles returns what the test binary can be started as.
func roles() reexec.Roles {
	all := make(reexec.Roles)
	for name, part := range parts() {
		all[name] = func(args []string) error {
			err := play(part, args)
			if err != nil {
				fmt.Fprintf(os.Stdout, "error: %v\n", err) // for the test that waits for a line
			}
			return err
		}
	}
	return all
}

// play plays a role's part. It is called on the process's first thread.
func play(part func(role) error, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument, got %q", args)
	}
	var r role
	if err := json.Unmarshal([]byte(args[0]), &r); err != nil {
		return err
	}
	if !r.Now {
		if _, err := readLine(); err != nil {
			return err
		}
	}
	return part(r)
}

func parts() map[string]func(role) error {
	return map[string]func(role) error{
		"block":             block,
		"threads":           odd,
		"end leader":        endLeader,
		"become":            become,
		"become late":       becomeLate,
		"start":             start,
		"relay":             relay,
		"storm":             storm,
		"zombie":            zombie,
		"exit late":         exitLate,
		"scan":              scanAndPrint,
		"reuse pid":         reusePID,
		"mount":             mountAndStart,
		"hold":              holdSockets,
		"flood":             floodSockets,
		"hand over":         handOver,
		"take over":         takeOver,
		"leave with":        leaveWith,
		"end holding":       endHolding,
		"hold unprivileged": holdUnprivileged,
		"sockets":           listAndPrint,
		"descriptors":       printDescriptors,
		"cgroup2":           mountCgroup2AndBlock,
		"resolve":           resolveAndPrint,
		"addresses":         haveAddresses,
		"restrict":          restrict,
		"other user":        otherUser,
		"many groups":       manyGroups,
		"change root":       changeRoot,
		"root behind":       rootBehind,
		"return to root":    returnToRoot,
		"restrict thread":   restrictThread,
		"many mounts":       manyMounts,
		"switch user":       switchUser,
		"cover":             cover,
	}
}

// readLine takes a byte at a time: what follows may be for another role.
func readLine() (string, error) {
	var line []byte
	for b := make([]byte, 1); ; line = append(line, b[0]) {
		n, err := os.Stdin.Read(b)
		if n == 0 && err != nil {
			return "", err
		}
		if b[0] == '\n' {
			return string(line), nil
		}
	}
}

func ready(format string, args ...any) {
	fmt.Fprintln(os.Stdout, strings.TrimSpace("ready "+fmt.Sprintf(format, args...)))
}

func awaitEnd() error {
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// block gives itself the name and does nothing.
func block(r role) error {
	if r.Command != "" {
		// As prctl(PR_SET_NAME) of the first thread does it.
		if err := os.WriteFile("/proc/self/comm", []byte(r.Command), 0); err != nil {
			return fmt.Errorf("set the name: %w", err)
		}
	}
	ready("%d", os.Getpid())
	return awaitEnd()
}

// odd has N threads that stay and prints the id of another one that leaves for elsewhere.
func odd(r role) error {
	for range r.N {
		if _, err := onThread(func() error { return nil }); err != nil {
			return err
		}
	}
	tid, err := onThread(func() error { return leave(r) })
	if err != nil {
		return err
	}
	ready("%d", tid)
	return awaitEnd()
}

// onThread runs f on a thread of its own, which then stays where it is as long as the
// process does.
func onThread(f func() error) (tid int, err error) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		tid = unix.Gettid()
		done <- f()
		select {}
	}()
	err = <-done
	return tid, err
}

// leave takes the calling thread into other namespaces. The last file is joined last: the
// others may not be reachable from there.
func leave(r role) error {
	var fds []int
	defer func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}()
	for _, file := range r.Join {
		fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", file, err)
		}
		fds = append(fds, fd)
	}
	for i, fd := range fds {
		if err := unix.Setns(fd, 0); err != nil {
			return fmt.Errorf("join %s: %w", r.Join[i], err)
		}
	}
	if r.Unshare != 0 {
		if err := unix.Unshare(int(r.Unshare)); err != nil {
			return fmt.Errorf("unshare %#x: %w", r.Unshare, err)
		}
	}
	return nil
}

// become leaves for elsewhere and executes another role there, as the same process. All
// other threads end by that.
func become(r role) error {
	if err := leave(r); err != nil {
		return err
	}
	next := r.next()
	return unix.Exec(reexec.Binary, []string{os.Args[0], next.spec()}, reexec.Environ(next.Do))
}

// becomeLate waits for another line before it becomes another role.
func becomeLate(r role) error {
	ready("")
	if _, err := readLine(); err != nil {
		return err
	}
	return become(r)
}

// start leaves for elsewhere and starts a child there, whose pid it prints.
func start(r role) error {
	if err := leave(r); err != nil {
		return err
	}
	return startThen(r)
}

func startThen(r role) error {
	child := r.next().command()
	child.Stdin = os.Stdin // It ends with this process's.
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if r.UID != 0 {
		child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: r.UID, Gid: r.UID}}
	}
	// From this thread, whose namespaces the child takes.
	if err := child.Start(); err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "child %d\n", child.Process.Pid)
	return child.Wait()
}
