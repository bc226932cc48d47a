// SPDX-License-Identifier: Apache-2.0

// Package scantest has fixtures for the tests of what scans a node: a procfs of a few files
// and a container runtime with fixed answers.
package scantest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// HexID is an id of the form that runtimes give.
func HexID(c string) string { return strings.Repeat(c, 64) }

// Procfs makes a procfs of the host's pid 1 and of processes with the given cgroups. All
// have the host's network namespace and otherwise their own, and are root with every capability.
// The mounts are those of HostMounts and OwnMounts, and each has a root directory of its own.
func Procfs(t *testing.T, cgroups map[int]string) *nsinspect.FS {
	t.Helper()
	root := t.TempDir()
	namespaces := t.TempDir()
	cgroups[1] = "/init.scope"
	for pid, cgroup := range cgroups {
		dir := filepath.Join(root, fmt.Sprint(pid))
		for _, ns := range []string{dir + "/ns", fmt.Sprintf("%s/task/%d/ns", dir, pid)} {
			Must(t, os.MkdirAll(ns, 0o755))
			for _, kind := range nsinspect.Kinds() {
				file := filepath.Join(namespaces, fmt.Sprintf("%s-%d", kind, pid))
				if kind == nsinspect.Net {
					file = filepath.Join(namespaces, "net")
				}
				Must(t, os.WriteFile(file, nil, 0o600))
				Must(t, os.Symlink(file, filepath.Join(ns, kind.String())))
			}
		}
		Must(t, os.WriteFile(dir+"/cgroup", []byte("0::"+cgroup+"\n"), 0o600))
		Must(t, os.WriteFile(dir+"/comm", []byte("web\n"), 0o600))
		root := filepath.Join(namespaces, fmt.Sprintf("root-%d", pid))
		Must(t, os.Mkdir(root, 0o755))
		Must(t, os.Symlink(root, dir+"/root"))
		mounts := OwnMounts
		if pid == 1 {
			mounts = HostMounts
		}
		Must(t, os.WriteFile(dir+"/mountinfo", []byte(mounts), 0o600))
		Must(t, os.WriteFile(dir+"/status", []byte(Status(Root(), 1)), 0o600))
	}
	for pid := range cgroups {
		thread := filepath.Join(root, fmt.Sprint(pid), "task", fmt.Sprint(pid))
		Must(t, os.WriteFile(thread+"/status", []byte(Status(Root(), 1)), 0o600))
		Must(t, os.Symlink("/program", thread+"/exe"))
	}
	fs, err := nsinspect.NewFS(root)
	Must(t, err)
	t.Cleanup(func() { Must(t, fs.Close()) })
	return fs
}

// The text of mountinfo: of the host, and of a container on the layers of which the host has a mount.
const (
	HostMounts = `20 1 254:1 / / rw shared:1 - ext4 /dev/vda rw
21 20 0:21 / /proc rw - proc proc rw
22 20 0:77 / /run/rootfs rw - overlay overlay rw
`
	OwnMounts = `612 540 0:77 / / ro,relatime - overlay overlay rw
613 612 0:80 / /proc rw - proc proc rw
640 613 0:81 /null /proc/keys rw - tmpfs tmpfs rw
641 613 0:80 /sys /proc/sys ro - proc proc rw
650 612 254:1 /data /data rw - ext4 /dev/vda rw
`
)

// allCapabilities are those of Linux 6.1.
const allCapabilities nsinspect.Capabilities = 1<<41 - 1

// Root are the credentials of a process of the host's.
func Root() nsinspect.Credentials {
	return nsinspect.Credentials{Permitted: allCapabilities, Effective: allCapabilities, Bounding: allCapabilities}
}

// User are the credentials of a process that a container with defaults gives a user.
func User(uid uint32) nsinspect.Credentials {
	return nsinspect.Credentials{
		UIDs:     nsinspect.IDs{Real: uid, Effective: uid, Saved: uid, Filesystem: uid},
		Bounding: 0xa80425fb, NoNewPrivileges: true, Seccomp: nsinspect.SeccompFilter, Filters: 1,
	}
}

// Confined is a runtime spec that gives credentials as those of User.
func Confined(uid uint32) *inventory.Security {
	return &inventory.Security{Spec: &inventory.SecuritySpec{
		UID: uid, Bounding: 0xa80425fb, NoNewPrivileges: true, Seccomp: true,
		Host:   []nsinspect.Kind{nsinspect.User, nsinspect.Cgroup},
		Masked: []string{"/proc/keys"}, ReadOnlyPaths: []string{"/proc/sys"}, ReadOnlyRoot: true,
	}}
}

// Status renders the status of a thread of a process with so many of them.
func Status(c nsinspect.Credentials, threads int) string {
	ids := func(i nsinspect.IDs) string {
		return fmt.Sprintf("\t%d\t%d\t%d\t%d", i.Real, i.Effective, i.Saved, i.Filesystem)
	}
	var groups strings.Builder
	for _, group := range c.Groups {
		fmt.Fprintf(&groups, "%d ", group)
	}
	noNewPrivileges := 0
	if c.NoNewPrivileges {
		noNewPrivileges = 1
	}
	return fmt.Sprintf("Name:\tweb\nState:\tS (sleeping)\nUid:%s\nGid:%s\nGroups:\t%s\nThreads:\t%d\n", ids(c.UIDs), ids(c.GIDs), &groups, threads) +
		fmt.Sprintf("CapInh:\t%016x\nCapPrm:\t%016x\nCapEff:\t%016x\nCapBnd:\t%016x\nCapAmb:\t%016x\n",
			uint64(c.Inheritable), uint64(c.Permitted), uint64(c.Effective), uint64(c.Bounding), uint64(c.Ambient)) +
		fmt.Sprintf("NoNewPrivs:\t%d\nSeccomp:\t%d\nSeccomp_filters:\t%d\n", noNewPrivileges, c.Seccomp, c.Filters)
}

// Become gives the threads of a process these credentials, the first of them the leader, whose id is
// the process's and those of the others the ones that follow it.
func Become(t *testing.T, fs *nsinspect.FS, pid int, threads ...nsinspect.Credentials) {
	t.Helper()
	dir := filepath.Join(fs.Root(), fmt.Sprint(pid))
	for i, credentials := range threads {
		text := []byte(Status(credentials, len(threads)))
		task := filepath.Join(dir, "task", fmt.Sprint(pid+i))
		if i > 0 {
			Must(t, os.MkdirAll(task, 0o755))
			if _, err := os.Lstat(task + "/ns"); err != nil {
				Must(t, os.Symlink("../../ns", task+"/ns"))
			}
		} else {
			Must(t, os.WriteFile(dir+"/status", text, 0o600))
		}
		Must(t, os.WriteFile(task+"/status", text, 0o600))
	}
}

// BecomeHost gives a process the namespaces of the host's pid 1.
func BecomeHost(t *testing.T, fs *nsinspect.FS, pid int) {
	t.Helper()
	for _, dir := range []string{"ns", fmt.Sprintf("task/%d/ns", pid)} {
		path := filepath.Join(fs.Root(), fmt.Sprint(pid), dir)
		Must(t, os.RemoveAll(path))
		Must(t, os.Symlink(filepath.Join(fs.Root(), "1/ns"), path))
	}
}

// Run makes a process of this age the child of another, and lets it execute a file.
func Run(t *testing.T, fs *nsinspect.FS, pid, parent int, age time.Duration, command, file string) {
	t.Helper()
	dir := filepath.Join(fs.Root(), fmt.Sprint(pid))
	var now unix.Timespec
	Must(t, unix.ClockGettime(unix.CLOCK_BOOTTIME, &now))
	const tick = time.Second / 100
	start := (time.Duration(now.Nano()) - age) / tick
	stat := fmt.Sprintf("%d (%s) S %d 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 %d\n", pid, command, parent, start)
	Must(t, os.WriteFile(dir+"/stat", []byte(stat), 0o600))
	Must(t, os.WriteFile(dir+"/comm", []byte(command+"\n"), 0o600))
	Must(t, os.RemoveAll(dir+"/exe"))
	Must(t, os.Symlink(file, dir+"/exe"))
}

// Must ends the test where there is an error.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Source is a containerd with fixed answers.
type Source struct {
	Listed []inventory.Container
	ByID   map[string]inventory.Container
	Err    error
}

// List returns the containers of Listed.
func (s Source) List(context.Context) (inventory.Inventory, []inventory.Container, error) {
	return inventory.Inventory{Source: inventory.FromContainerd}, s.Listed, nil
}

// Get returns the container of ByID, or Err.
func (s Source) Get(_ context.Context, key inventory.Key) (inventory.Container, error) {
	if s.Err != nil {
		return inventory.Container{}, s.Err
	}
	container, ok := s.ByID[key.ID]
	if !ok || container.Key() != key {
		return inventory.Container{}, inventory.ErrNotFound
	}
	return container, nil
}

// Named returns a container in the CRI's namespace that declares the host's network.
func Named(id string, status inventory.Status, pid int) inventory.Container {
	return inventory.Container{
		ID: HexID(id), RuntimeName: runtimes.Containerd, RuntimeNamespace: "k8s.io", Name: id, Status: status, PID: pid,
		CgroupsPath: "/kubepods/" + HexID(id),
		Declared:    inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net}},
	}
}

// Outcome puts a snapshot into lines: each container with its status, the number of its
// processes and what is unknown of it.
func Outcome(s *snapshot.Snapshot) []string {
	var lines []string
	for _, c := range s.Containers {
		parts := []string{fmt.Sprintf("%s/%s %s %d", c.RuntimeNamespace, c.ID[:1], c.Status, len(c.Processes))}
		var gaps []string
		for _, gap := range c.Unread.Gaps {
			gaps = append(gaps, fmt.Sprintf("%s: %s", gap.Cause, gap.Detail))
		}
		if len(gaps) > 0 {
			parts = append(parts, strings.Join(gaps, "; "))
		}
		lines = append(lines, strings.Join(parts, " "))
	}
	return lines
}
