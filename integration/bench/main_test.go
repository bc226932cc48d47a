// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The test binary starts itself in these roles, which the environment names.
const (
	// nodeEnv is set inside the benchmarks' own pid namespace, to the name of their cgroups.
	nodeEnv = "NSAUDIT_BENCH_NODE"
	// onceEnv names a way to look that runs once, for strace to count.
	onceEnv = "NSAUDIT_BENCH_ONCE"
	// oncePIDEnv is the process whose threads that one looks at; it looks at processes without it.
	oncePIDEnv = "NSAUDIT_BENCH_ONCE_PID"
	// threadsEnv is how many threads to have until the end.
	threadsEnv = "NSAUDIT_BENCH_THREADS"
	// socketsEnv is how many listeners and how many connections to have until the end.
	socketsEnv = "NSAUDIT_BENCH_SOCKETS"
	// onceHolderEnv is the process whose network onceEnv looks for listeners in.
	onceHolderEnv = "NSAUDIT_BENCH_ONCE_HOLDER"
)

// needRoot is the remedy where there is no node to measure.
const needRoot = `the benchmarks make namespaces and cgroups, which takes root; run: sudo env "PATH=$PATH" make bench`

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(threadsEnv) != "":
		haveThreads()
	case os.Getenv(socketsEnv) != "":
		exitOn(haveSockets(os.Getenv(socketsEnv)))
	case os.Getenv(floodEnv) != "":
		exitOn(flood(os.Getenv(floodEnv)))
	case os.Getenv(escapeEnv) != "":
		exitOn(escape())
	case os.Getenv(onceEnv) != "":
		exitOn(runOnce(os.Getenv(onceEnv)))
	case os.Getenv(nodeEnv) != "":
		exitOn(mountProc())
		code := m.Run()
		printTables(os.Stdout)
		printFloods(os.Stdout)
		os.Exit(code)
	case os.Geteuid() == 0:
		code, err := runInNode()
		exitOn(err)
		os.Exit(code)
	default:
		os.Exit(m.Run()) // Each benchmark says what is missing.
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// runInNode runs the test binary as pid 1 of a pid namespace of its own, so that every process that it starts ends with
// it, and removes the cgroups that it left.
func runInNode() (int, error) {
	if err := sweepStale(); err != nil {
		return 0, err
	}
	// The end of a thread counts as that of the parent.
	runtime.LockOSThread()
	// Those of the terminal and of a cancelled job reach us first: clean up behind them.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	name := cgroupPrefix + strconv.Itoa(os.Getpid())
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), nodeEnv+"="+name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if slices.Contains(os.Args, "-test.bench=Floods") {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNET // Nobody else is to see a hundred thousand listeners.
	}
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); exited {
		err = nil // Its code says it all.
	}
	return cmd.ProcessState.ExitCode(), errors.Join(err, removeCgroups(name))
}

// mountProc gives the new pid namespace its own /proc, unseen by the machine.
func mountProc() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}

// haveThreads keeps the threads that the environment asks for, and says on the standard output when it has them.
func haveThreads() {
	n, err := strconv.Atoi(os.Getenv(threadsEnv))
	exitOn(err)
	ready := make(chan struct{})
	for range n {
		go func() {
			runtime.LockOSThread() // A locked goroutine keeps its thread also while it waits.
			ready <- struct{}{}
			select {}
		}()
	}
	for range n {
		<-ready
	}
	_, err = os.Stdout.Write([]byte{'\n'})
	exitOn(err)
	select {}
}
