// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// cover mounts something over files of a procfs, and starts another role, which has no right to mount
// if Path says so. It is in a mount namespace of its own.
func cover(r role) error {
	if err := mountProcfs(""); err != nil {
		return err
	}
	for _, path := range r.Join {
		if err := mountOver(path, r.Mount); err != nil {
			return fmt.Errorf("mount %s over %s: %w", r.Mount, path, err)
		}
	}
	if r.Path == withoutMounts {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_ADMIN, 0, 0, 0); err != nil {
			return err
		}
	}
	return startThen(r)
}

const withoutMounts = "without CAP_SYS_ADMIN"

func mountOver(path, what string) error {
	switch what {
	case "file":
		return unix.Mount("/dev/null", path, "", unix.MS_BIND, "")
	case "fuse": // Nobody answers for it.
		fd, err := unix.Open("/dev/fuse", unix.O_RDWR, 0)
		if err != nil {
			return err
		}
		return unix.Mount("nobody", path, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd))
	default:
		return unix.Mount("none", path, what, 0, "")
	}
}

// Whoever may mount in the host's mount namespace can hide a process from ps. Who may mount too reads
// what the kernel has there, and everyone else knows that something is hidden.
func TestCoveredProcesses(t *testing.T) {
	openProcfs(t)
	tests := map[string]struct{ part, what, gap string }{
		"process by an empty directory": {"", "tmpfs", "something is mounted over process PID"},
		"process by what never answers": {"", "fuse", "something is mounted over process PID"},
		"namespaces":                    {"ns", "tmpfs", "something is mounted over ns of process PID"},
		"namespaces of a thread":        {"task/PID/ns", "fuse", "something is mounted over task/PID/ns of process PID"},
		"threads":                       {"task", "tmpfs", "something is mounted over task of process PID"},
		"a thread":                      {"task/PID", "fuse", "something is mounted over task/PID of process PID"},
		"status":                        {"status", "file", "something is mounted over status of process PID"},
		"cgroup":                        {"cgroup", "file", "something is mounted over cgroup of process PID"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			id, dir := hierarchies(t)[0].container(t)
			hidden := launch(t, launchOptions{role: role{Do: "block"}, cgroup: dir})
			hidden.ready()
			pid := strconv.Itoa(hidden.pid)
			covering := role{Do: "cover", Mount: test.what, Join: []string{filepath.Join("/proc", pid, strings.ReplaceAll(test.part, "PID", pid))}, Then: &role{Do: "scan"}}
			seen := launch(t, launchOptions{flags: unix.CLONE_NEWNS, role: covering}).snap()
			if _, found := findingsOf(t, seen, id)[audit.HostNetwork]; !found || mentions(seen.Coverage.Gaps, "mounted") {
				t.Errorf("with CAP_SYS_ADMIN it was not found; coverage %+v", seen.Coverage)
			}
			covering.Path = withoutMounts
			unseen := launch(t, launchOptions{flags: unix.CLONE_NEWNS, role: covering}).snap()
			if gap := strings.ReplaceAll(test.gap, "PID", pid); !mentions(unseen.Coverage.Gaps, gap) {
				t.Errorf("no gap says %q: %q", gap, unseen.Coverage.Gaps)
			}
		})
	}
}

// A directory that looks like a procfs, and is mounted over it, is none.
func TestCoveredProcfs(t *testing.T) {
	openProcfs(t)
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := os.Mkdir(filepath.Join(dir, "1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if fs, err := nsinspect.NewFS(dir); !errors.Is(err, nsinspect.ErrNoProcfs) {
		t.Errorf("NewFS = %v, %v, want %v", fs, err, nsinspect.ErrNoProcfs)
	}
}
