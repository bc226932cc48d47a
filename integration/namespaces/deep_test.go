// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/integration/internal/eventually"
)

// A cgroup can lie so deep that the kernel can't name it. Some kernels cut the path (6.18
// does), some refuse to show it (ENAMETOOLONG in proc_cgroup_show of 6.1). A container that
// may make cgroups can't hide like that: it is seen, or there is a gap.
func TestCgroupTooDeepToName(t *testing.T) {
	fs := openProcfs(t)
	hostNamespaces(t, fs)
	for _, h := range hierarchies(t) {
		t.Run(h.name, func(t *testing.T) {
			id, dir := h.container(t)
			deepest := makeDeep(t, dir)
			p := launch(t, launchOptions{role: role{Do: "block"}, flags: ownNamespaces &^ unix.CLONE_NEWNET})
			joinAt(t, deepest, p.pid)
			p.ready()
			snap := takeScan(t, scanConfig(fs))
			if snap.Coverage.Denied > 0 && mentions(snap.Coverage.Gaps, fmt.Sprintf("process %d: ", p.pid)) {
				return
			}
			if diff := cmp.Diff(undeclared(audit.HostNetwork), reasonsOf(t, snap, id)); diff != "" {
				t.Errorf("there is no gap for process %d in %+v, and no finding -want +got:\n%s", p.pid, snap.Coverage, diff)
			}
		})
	}
}

// pathMax is PATH_MAX of linux/limits.h.
const pathMax = 4096

// makeDeep makes cgroups below each other until the path is longer than PATH_MAX, and returns
// a descriptor of the last.
func makeDeep(t *testing.T, dir string) int {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	name := strings.Repeat("x", 250)
	for range pathMax/len(name) + 1 {
		above := fd
		if err := unix.Mkdirat(above, name, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			err := eventually.Holds(kernelLimit, "the removal of a deep cgroup", func() bool {
				return !errors.Is(unix.Unlinkat(above, name, unix.AT_REMOVEDIR), unix.EBUSY)
			})
			if err != nil {
				t.Error(err)
			}
		})
		if fd, err = unix.Openat(above, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			t.Fatal(err)
		}
		below := fd
		t.Cleanup(func() { _ = unix.Close(below) })
	}
	return fd
}

func joinAt(t *testing.T, dir, pid int) {
	t.Helper()
	fd, err := unix.Openat(dir, "cgroup.procs", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if _, err := unix.Write(fd, []byte(strconv.Itoa(pid))); err != nil {
		t.Fatal(err)
	}
}
