// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Roles of the test binary in a container, which the environment names.
const (
	// floodEnv names what the container floods the node with.
	floodEnv = "NSAUDIT_BENCH_FLOOD"
	// escapeEnv has a thread of the container enter the host's network at SIGUSR1, and return at SIGUSR2.
	escapeEnv = "NSAUDIT_BENCH_ESCAPE"
)

// floods are what a container can flood a node with, each of it bounded: the machine is to survive it.
var floods = map[string]func() error{
	"open files":     floodFiles,
	"processes":      floodProcesses,
	"threads":        func() error { return floodThreads(500, func(int) error { return nil }) },
	"namespaces":     func() error { return floodThreads(300, func(int) error { return unix.Unshare(unix.CLONE_NEWIPC) }) },
	"credentials":    floodCredentials,
	"cgroups":        floodCgroups,
	"host listeners": floodListeners,
}

func floodKinds() []string { return slices.Sorted(maps.Keys(floods)) }

// flood floods, says on the standard output when it does, and stays.
func flood(kind string) error {
	run, ok := floods[kind]
	if !ok {
		return fmt.Errorf("there is no flood of %q", kind)
	}
	if err := run(); err != nil {
		return fmt.Errorf("a flood of %s: %w", kind, err)
	}
	return stay()
}

func stay() error {
	if _, err := os.Stdout.Write([]byte{'\n'}); err != nil {
		return err
	}
	select {}
}

// child starts a process that does nothing, with the files that are open here.
func child() error {
	_, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "infinity"}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
	return err
}

// floodFiles has 50 processes with 15,000 files each.
func floodFiles() error {
	const files, processes = 15_000, 50
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: files + 100, Max: files + 100}); err != nil {
		return err
	}
	fd, err := unix.Open("/dev/null", unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	for range files {
		if _, err := unix.Dup(fd); err != nil { // Not closed by exec.
			return err
		}
	}
	for range processes - 1 {
		if err := child(); err != nil {
			return err
		}
	}
	return nil
}

func floodProcesses() error {
	for range 200 {
		if err := child(); err != nil {
			return err
		}
	}
	return nil
}

// floodThreads has threads that prepare themselves.
func floodThreads(count int, prepare func(i int) error) error {
	done := make(chan error)
	for i := range count {
		go func() {
			runtime.LockOSThread() // A locked goroutine keeps its thread also while it waits.
			done <- prepare(i)
			select {}
		}()
	}
	var errs []error
	for range count {
		errs = append(errs, <-done)
	}
	return errors.Join(errs...)
}

// floodCredentials has processes with as many groups as there can be.
func floodCredentials() error {
	groups := make([]int, 65_536)
	for i := range groups {
		groups[i] = i
	}
	if err := syscall.Setgroups(groups); err != nil {
		return err
	}
	for range 30 {
		if err := child(); err != nil {
			return err
		}
	}
	return nil
}

// floodCgroups makes cgroups below the container's own.
func floodCgroups() error {
	c, err := hierarchy()
	if err != nil {
		return err
	}
	own, err := c.home()
	if err != nil || own == "" {
		return err // On v2 it can't see its own.
	}
	for i := range 1_000 {
		if err := os.Mkdir(filepath.Join(own, strconv.Itoa(i)), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// floodListeners has sockets listen in the host's network, on addresses of lo.
func floodListeners() error {
	return inHostNetwork(func() error {
		const sockets = 3_000
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: sockets + 100, Max: sockets + 100}); err != nil {
			return err
		}
		address := rand.IntN(1 << 16) // Another container has another one.
		for i := range sockets {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			address := &unix.SockaddrInet4{Port: 20_000 + i, Addr: [4]byte{127, 1, byte(address >> 8), byte(address)}}
			if err := errors.Join(unix.Bind(fd, address), unix.Listen(fd, 1)); err != nil {
				return err
			}
		}
		return nil
	})
}

// inHostNetwork calls work on a thread in the host's network, which stays there.
func inHostNetwork(work func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		fd, err := unix.Open("/proc/1/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
		}
		if err == nil {
			err = work()
		}
		done <- err
		select {}
	}()
	return <-done
}

// escape plays the role of escapeEnv.
func escape() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGUSR1, unix.SIGUSR2)
	go func() {
		runtime.LockOSThread()
		host, err := unix.Open("/proc/1/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		exitOn(err)
		own, err := unix.Open("/proc/self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		exitOn(err)
		for s := range signals {
			target := own
			if s == unix.SIGUSR1 {
				target = host
			}
			exitOn(unix.Setns(target, unix.CLONE_NEWNET))
		}
	}()
	return stay()
}
