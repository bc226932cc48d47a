// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/reexec"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// endLeader ends the process's first thread; the others live on.
func endLeader(role) error {
	go func() {
		err := eventually.Holds(kernelLimit, "the leader's end", func() bool {
			stat, err := os.ReadFile("/proc/self/stat")
			return err == nil && strings.Contains(string(stat), ") Z ")
		})
		if err == nil {
			ready("")
			err = awaitEnd()
		}
		if err != nil {
			fmt.Fprintf(os.Stdout, "error: %v\n", err)
		}
		os.Exit(0)
	}()
	// Not RawSyscall: the scheduler has to be told that this thread won't come back.
	_, _, errno := syscall.Syscall(unix.SYS_EXIT, 0, 0, 0)
	return errno
}

// storm starts processes that end at once, a few at a time, and ends by itself.
func storm(r role) error {
	ready("")
	var running []*exec.Cmd
	for end := time.Now().Add(stormTime); time.Now().Before(end); {
		child := reexec.Command("none") // There is no such role: it ends at once.
		if err := child.Start(); err != nil {
			return err
		}
		if running = append(running, child); len(running) > r.N {
			_ = running[0].Wait() // It ends with an error.
			running = running[1:]
		}
	}
	for _, child := range running {
		_ = child.Wait()
	}
	return awaitEnd()
}

// stormTime is how long a storm lasts.
const stormTime = 2 * time.Second

// zombie starts a child that ends, and does not take its exit status.
func zombie(role) error {
	child := reexec.Command("none") // There is no such role: it ends at once.
	if err := child.Start(); err != nil {
		return err
	}
	dir := fmt.Sprintf("/proc/%d", child.Process.Pid)
	if err := eventually.Holds(kernelLimit, "the zombie", func() bool {
		stat, err := os.ReadFile(dir + "/stat")
		if err != nil || !strings.Contains(string(stat), ") Z ") {
			return false
		}
		// The first thread can be one while others have still to end.
		threads, err := os.ReadDir(dir + "/task")
		return err == nil && len(threads) == 1
	}); err != nil {
		return err
	}
	ready("%d", child.Process.Pid)
	err := awaitEnd()
	_ = child.Wait() // It ended with an error.
	return err
}

// exitLate ends at another line.
func exitLate(role) error {
	ready("")
	_, err := readLine()
	return err
}

// scanAndPrint takes a snapshot with the rights of this process, and prints it.
func scanAndPrint(role) error {
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		return err
	}
	defer fs.Close()
	snap, err := scan.New(scanConfig(fs)).Scan(context.Background())
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := snapshot.Encode(&b, snap); err != nil {
		return err
	}
	ready("%s", b.String())
	return awaitEnd()
}

// mountAndStart mounts a procfs over the usual one and starts another role. It is in a mount
// namespace of its own.
func mountAndStart(r role) error {
	if err := mountProcfs(r.Mount); err != nil {
		return err
	}
	return startThen(r)
}

func mountProcfs(options string) error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("keep mounts to ourselves: %w", err)
	}
	if err := unix.Mount("proc", nsinspect.DefaultRoot, "proc", 0, options); err != nil {
		return fmt.Errorf("mount a procfs with %q: %w", options, err)
	}
	return nil
}
