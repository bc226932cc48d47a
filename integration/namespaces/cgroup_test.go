// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
)

// hierarchy is a mounted cgroup hierarchy.
type hierarchy struct{ name, dir string }

// hierarchies are v2 and, on a machine that still has v1, one of its hierarchies.
func hierarchies(t *testing.T) []hierarchy {
	t.Helper()
	mounts, err := procfs.GetMounts()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]hierarchy)
	for _, mount := range mounts {
		_, pids := mount.SuperOptions["pids"]
		switch {
		case mount.FSType == "cgroup2":
			found["v2"] = hierarchy{"v2", mount.MountPoint}
		case mount.FSType == "cgroup" && pids:
			found["v1"] = hierarchy{"v1", mount.MountPoint}
		}
	}
	if len(found) == 0 {
		t.Fatal("no cgroup hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup")
	}
	var list []hierarchy
	for _, name := range []string{"v1", "v2"} {
		if h, ok := found[name]; ok {
			list = append(list, h)
		}
	}
	return list
}

// v2 is the hierarchy of cgroup v2.
func v2(t *testing.T) hierarchy {
	t.Helper()
	all := hierarchies(t)
	if last := all[len(all)-1]; last.name == "v2" {
		return last
	}
	t.Fatal("cgroup v2 is not mounted: mount -t cgroup2 none /sys/fs/cgroup/unified")
	return hierarchy{}
}

// newID makes a container's id.
func newID(t *testing.T) string {
	t.Helper()
	id := make([]byte, 32)
	if _, err := rand.Read(id); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(id)
}

// cgroup makes the cgroup of this path for the time of the test.
func (h hierarchy) cgroup(t *testing.T, path string) string {
	t.Helper()
	dir := filepath.Join(h.dir, path)
	h.makeDir(t, dir)
	return dir
}

func (h hierarchy) makeDir(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(dir); err == nil {
		return // Of the machine, or of another test.
	}
	h.makeDir(t, filepath.Dir(dir))
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := eventually.Holds(kernelLimit, "the removal of "+dir, func() bool {
			err := unix.Rmdir(dir)
			// Another container may have been created in a directory like docker.
			return err == nil || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTEMPTY)
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// container makes a cgroup as Docker does it on cgroupfs, and returns the container's id.
func (h hierarchy) container(t *testing.T) (id, dir string) {
	t.Helper()
	id = newID(t)
	return id, h.cgroup(t, "docker/"+id)
}

// join puts a process into a cgroup.
func join(t *testing.T, dir string, pid int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
		t.Fatal(err)
	}
}
