// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

// An open process stays the one that it was, whichever process has its number by then.
func TestReusedPID(t *testing.T) {
	openProcfs(t)
	launch(t, launchOptions{
		role: role{Do: "reuse pid"},
		// Numbers of its own, and a procfs that shows them.
		flags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
	}).ready()
}

// reusePID makes the kernel give a pid out again while a handle of its first owner is open.
func reusePID(role) error {
	if err := mountProcfs(""); err != nil {
		return err
	}
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		return err
	}
	defer fs.Close()
	end, pid, err := startSleeper()
	if err != nil {
		return err
	}
	process, err := fs.Open(pid)
	if err != nil {
		return err
	}
	defer process.Close()
	if _, err := process.Namespaces(); err != nil {
		return fmt.Errorf("the first owner: %w", err)
	}
	end()
	if err := allVanished(process, "a pid without a process"); err != nil {
		return err
	}
	end, err = startSleeperAs(pid)
	if err != nil {
		return err
	}
	defer end()
	if err := allVanished(process, "a pid of another process"); err != nil {
		return err
	}
	second, err := fs.Open(pid)
	if err != nil {
		return err
	}
	defer second.Close()
	if _, err := second.Namespaces(); err != nil {
		return fmt.Errorf("the second owner: %w", err)
	}
	ready("")
	return awaitEnd()
}

// startSleeper starts a process that does nothing until it is ended.
func startSleeper() (end func(), pid int, err error) {
	child := role{Do: "block"}.command() // It waits for its first line.
	input, err := child.StdinPipe()
	if err != nil {
		return nil, 0, err
	}
	if err := child.Start(); err != nil {
		return nil, 0, err
	}
	return func() {
		_ = input.Close()
		_ = child.Wait() // It complains that there was no line.
	}, child.Process.Pid, nil
}

// startSleeperAs starts one with this pid. Threads take numbers as well, so it may take some
// attempts.
func startSleeperAs(pid int) (end func(), err error) {
	for range 1000 {
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(pid-1)), 0); err != nil {
			return nil, fmt.Errorf("the kernel needs CONFIG_CHECKPOINT_RESTORE for this test: %w", err)
		}
		end, got, err := startSleeper()
		if err != nil {
			return nil, err
		}
		if got == pid {
			return end, nil
		}
		end()
	}
	return nil, fmt.Errorf("pid %d was not given out again", pid)
}

// allVanished fails unless whatever is asked of the process is answered so.
func allVanished(process *nsinspect.Process, when string) error {
	ctx := context.Background()
	questions := map[string]func() error{
		"Namespace":       func() error { _, err := process.Namespace(nsinspect.Net); return err },
		"Namespace(pid)":  func() error { _, err := process.Namespace(nsinspect.PID); return err },
		"Namespaces":      func() error { _, err := process.Namespaces(); return err },
		"ThreadNamespace": func() error { _, err := process.ThreadNamespace(process.PID(), nsinspect.Net); return err },
		"Cgroups":         func() error { _, err := cgroup.Read(process); return err },
		"LiveCgroups":     func() error { _, err := cgroup.ReadLive(ctx, process); return err },
		"Command":         func() error { _, err := process.Command(); return err },
		"Threads":         func() error { _, err := process.Threads(ctx); return err },
		"Descriptors":     func() error { _, _, err := heldSockets(ctx, process); return err },
		"Age":             func() error { _, err := process.Age(); return err },
		"LocalNetworks":   func() error { return process.LocalNetworks(func(netip.Prefix) {}) },
		"Survey":          func() error { _, err := process.Survey(ctx, []nsinspect.Kind{nsinspect.Net}); return err },
	}
	for name, ask := range questions {
		if err := ask(); !errors.Is(err, nsinspect.ErrVanished) {
			return fmt.Errorf("%s: %s answered %w, want %w", when, name, err, nsinspect.ErrVanished)
		}
	}
	return nil
}
