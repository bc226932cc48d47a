// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
)

// ShimPID returns the process ID of the shim that looks after a container. The containers of a pod have
// one shim in common.
func (c *Containerd) ShimPID(t testing.TB, namespace, id string) int {
	t.Helper()
	// Every shim is the reaper of its containers, hence the parent of their init processes.
	pid, err := parent(c.initPID(t, namespace, id))
	if err != nil {
		t.Fatalf("find the shim of %s/%s: %v", namespace, id, err)
	}
	comm, err := os.ReadFile(procPath(pid, "comm"))
	if err != nil || !strings.HasPrefix(string(comm), "containerd-shim") {
		t.Fatalf("the parent of %s/%s is %d %q (%v), no shim", namespace, id, pid, comm, err)
	}
	return pid
}

// Hang stops the shim of a container with SIGSTOP. It answers nothing until resume is called, which the end
// of the test does too.
func (c *Containerd) Hang(t testing.TB, namespace, id string) (resume func()) {
	t.Helper()
	pid := c.ShimPID(t, namespace, id)
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatalf("stop shim %d: %v", pid, err)
	}
	resume = sync.OnceFunc(func() { _ = unix.Kill(pid, unix.SIGCONT) })
	t.Cleanup(resume)
	eventually.True(t, fmt.Sprintf("shim %d has stopped", pid), func() bool {
		fields, err := statFields(pid)
		return err == nil && fields[0] == "T"
	})
	return resume
}

func parent(pid int) (int, error) {
	fields, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(fields[1])
}

// statFields returns the fields of /proc/PID/stat from the state on.
func statFields(pid int) ([]string, error) {
	stat, err := os.ReadFile(procPath(pid, "stat"))
	if err != nil {
		return nil, err
	}
	// The command may hold blanks and parentheses.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return nil, fmt.Errorf("%s: %q", procPath(pid, "stat"), stat)
	}
	return fields, nil
}
