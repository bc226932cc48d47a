// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/reexec"
)

// The roles on the host, which the harness itself starts.
const (
	roleEnterCgroup = "runtimetest-enter-cgroup"
	roleJoin        = "runtimetest-join"
)

// PlayRole is to be called first in TestMain. In a process that was started in a role it never returns. The roles in the
// images:
//
//	/bin/sleep, /pause          block until SIGTERM
//	/app [ADDRESS]              listen on TCP, :8080 unless told, and block
//	/bin/threads N              hold N OS threads and block
//	/bin/setns-thread FILE...   one OS thread joins the namespaces, the others stay; block
//	/bin/act STEP...            take steps one after the other, and block: see steps; also as /bin/suid-act and
//	                            /bin/cap-act, for SetuidProgram and CapableProgram. Its command is "acted" afterwards
func PlayRole() { Program{}.PlayRole() }

// PlayRole is like the function of that name, for a test whose program can do more.
func (p Program) PlayRole() {
	nothing := func([]string) error { return nil }
	act := p.actor().actAndTell
	roles := reexec.Roles{
		"sleep":         thenBlock(nothing),
		"pause":         thenBlock(nothing),
		"app":           thenBlock(listen),
		"threads":       thenBlock(holdThreads),
		"act":           thenBlock(act),
		"suid-act":      thenBlock(act),
		"cap-act":       thenBlock(act),
		"setns-thread":  thenBlock(func(args []string) error { return onThread(func() error { return enter(args) }) }),
		roleEnterCgroup: execInCgroup,
		roleJoin:        thenBlock(func(args []string) error { return onThread(func() error { return join(args) }) }),
	}
	maps.Copy(roles, p.Roles)
	reexec.Play(roles)
}

func thenBlock(role func(args []string) error) func(args []string) error {
	return func(args []string) error {
		if err := role(args); err != nil {
			return err
		}
		block()
		return nil
	}
}

// block waits for SIGTERM. It may be process 1 of a pod with a shared PID namespace, so it reaps: children of a process
// that ignores SIGCHLD never become zombies.
func block() {
	signal.Ignore(unix.SIGCHLD)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM, unix.SIGINT)
	<-stop
}

func listen(args []string) error {
	address := ":8080"
	if len(args) > 0 {
		address = args[0]
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	return nil
}

func holdThreads(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want the number of threads, got %q", args)
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	for range n {
		if err := onThread(func() error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// onThread runs f on an OS thread of its own, which then lives, and stays where f took it, as long as the
// process does. It is never the main thread, whose namespaces /proc/PID/ns shows for the whole process.
func onThread(f func() error) error {
	done := make(chan error)
	var run func()
	run = func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			go run() // this goroutine keeps the main thread
		} else {
			done <- f()
		}
		select {}
	}
	go run()
	return <-done
}

// enter moves the calling thread into the namespaces of the files.
func enter(files []string) error {
	// All are opened first: after a mount namespace, the paths mean something else.
	namespaces := make([]*os.File, len(files))
	for i, file := range files {
		namespace, err := os.Open(file)
		if err != nil {
			return err
		}
		namespaces[i] = namespace
	}
	// A mount namespace can only be joined by a thread that shares its root directory with no other.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare the root directory: %w", err)
	}
	for _, namespace := range namespaces {
		if err := unix.Setns(int(namespace.Fd()), 0); err != nil {
			return fmt.Errorf("setns %s: %w", namespace.Name(), err)
		}
		if err := namespace.Close(); err != nil {
			return err
		}
	}
	return nil
}

// execInCgroup enters the cgroup directory args[0] and becomes the program args[1].
func execInCgroup(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("want a cgroup and a program, got %q", args)
	}
	if err := os.WriteFile(filepath.Join(args[0], "cgroup.procs"), []byte("0"), 0); err != nil {
		return err
	}
	return unix.Exec(args[1], args[1:], reexec.Environ(""))
}

// join enters the namespaces of process args[0], except the kinds that follow, takes its credentials, starts a child and
// prints its process ID. The child outlives no one: this process ends with it.
func join(args []string) error {
	if len(args) < 1 {
		return fmt.Errorf("want a process and the kinds to stay in, got %q", args)
	}
	program := reexec.Binary // Its path may not be accessible to the user that this becomes.
	var files []string
	// The PID namespace decides where children are born; the mount namespace comes last, as elsewhere.
	for _, kind := range []string{"ipc", "uts", "net", "cgroup", "pid", "mnt"} {
		file := "/proc/" + args[0] + "/ns/" + kind
		if !slices.Contains(args[1:], kind) && !sameFile(file, "/proc/self/ns/"+kind) {
			files = append(files, file)
		}
		if kind == "mnt" && slices.Contains(files, file) {
			program = sleepPath
		}
	}
	become, err := likeThread(args[0])
	if err != nil {
		return err
	}
	if err := enter(files); err != nil {
		return err
	}
	if err := become(); err != nil {
		return err
	}
	child, err := os.StartProcess(program, []string{sleepPath}, &os.ProcAttr{
		Dir: "/", Env: reexec.Environ(""), Files: []*os.File{nil, nil, os.Stderr},
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, child.Pid)
	go func() {
		_, _ = child.Wait()
		os.Exit(0)
	}()
	return nil
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
