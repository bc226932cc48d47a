// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/reexec"
)

// MoveIntoCgroup puts a process of the host into all cgroups of a container. Its namespaces stay the host's,
// as those of a process that got out of the container by nsenter do. The process has to end before the
// containerd is stopped, or it is killed then.
func (c *Containerd) MoveIntoCgroup(t testing.TB, pid, containerInitPID int) {
	t.Helper()
	cgroups, err := cgroupsOf(containerInitPID)
	if err != nil {
		t.Fatalf("find the cgroups of %d: %v", containerInitPID, err)
	}
	for _, cgroup := range cgroups {
		if err := moveInto(cgroup, pid); err != nil {
			t.Fatalf("move %d: %v", pid, err)
		}
	}
}

// JoinHost starts a process in the cgroups and the namespaces of a container, except for the given kinds of
// namespaces, which are the host's: "net", "pid", "ipc", "uts", "mnt" or "cgroup". It is restricted like the container's
// own, and sleeps until the end of the test. Its user namespace is the host's, so the container's has to be too: a Go process can't join one.
func (c *Containerd) JoinHost(t testing.TB, initPID int, kinds ...string) (pid int) {
	t.Helper()
	return c.join(t, initPID, nil, kinds...)
}

// JoinHolding starts a process like JoinHost's in the container's namespaces only. It has these files open.
func (c *Containerd) JoinHolding(t testing.TB, initPID int, files ...*os.File) (pid int) {
	t.Helper()
	return c.join(t, initPID, files)
}

func (c *Containerd) join(t testing.TB, initPID int, files []*os.File, kinds ...string) (pid int) {
	t.Helper()
	if !sameFile(procPath(initPID, "ns", "user"), "/proc/self/ns/user") {
		t.Fatalf("process %d has a user namespace of its own", initPID)
	}
	// The joiner stays behind in the host's namespaces and in our cgroups, as the parent of the one that joined.
	cmd := reexec.Command(roleJoin, append([]string{strconv.Itoa(initPID)}, kinds...)...)
	cmd.ExtraFiles = files // Its child inherits them: they are not closed on the way.
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start the joiner: %v", err)
	}
	t.Cleanup(func() {
		if pid != 0 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		_ = cmd.Wait()
	})
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatalf("join the namespaces of %d: %v", initPID, err)
	}
	c.MoveIntoCgroup(t, pid, initPID)
	return pid
}
