// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"path"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

const (
	// maxHostMountsKept caps the mounts of the host's file systems that a container has in a
	// snapshot.
	maxHostMountsKept = 256
	// maxCovered caps the paths of one container that are to be covered: containerd has 19.
	maxCovered = 128
	// maxProcs caps the places where a container has mounted a procfs.
	maxProcs = 8
)

// device is the number of a file system's device, with its type: the kernel gives the number of one
// without a disk to the next as soon as it is free.
type device struct {
	major, minor int
	kind         string
}

func deviceOf(m *nsinspect.Mount) device { return device{m.Major, m.Minor, m.FSType} }

// kernelFileSystems hold no files but the kernel's own, and so are no way to the host's.
var kernelFileSystems = [...]string{
	"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "efivarfs", "fusectl", "hugetlbfs",
	"mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs",
}

// holdsFiles reports whether a mount is of a file system with files. A single device is none:
// runtimes mount those one by one where a container has a user namespace, and to mask files.
func holdsFiles(m *nsinspect.Mount) bool {
	return !slices.Contains(kernelFileSystems[:], m.FSType) && (m.FSType != "devtmpfs" || m.Root == "/") && !isDevice(m)
}

// deviceFiles are those that runtimes give every container (config-linux.md, "Default Devices"). Where
// the host is a container itself, its /dev is a tmpfs.
var deviceFiles = [...]string{"/null", "/zero", "/full", "/random", "/urandom", "/tty"}

func isDevice(m *nsinspect.Mount) bool {
	return m.FSType == "tmpfs" && slices.Contains(deviceFiles[:], m.Root)
}

// devicesOf returns the devices of the host's file systems.
func devicesOf(mounts []nsinspect.Mount) map[device]bool {
	devices := make(map[device]bool)
	for i := range mounts {
		if holdsFiles(&mounts[i]) {
			devices[deviceOf(&mounts[i])] = true
		}
	}
	return devices
}

// showsWhole reports whether mounts are those of a whole mount namespace: a process that has called
// chroot(2) sees those below its root directory only. That can be a mount with a procfs in it, as the
// host's root directory is, but has none of those that the container was given.
func showsWhole(mounts []nsinspect.Mount, spec *inventory.SecuritySpec) bool {
	points := make(map[string]bool, len(mounts))
	for i := range mounts {
		points[mounts[i].Point] = true
	}
	given, there := false, false
	if spec != nil {
		for i := range spec.Mounts {
			if spec.Mounts[i].Source != "" {
				given, there = true, there || points[spec.Mounts[i].Point]
			}
		}
	}
	return points["/"] && points["/proc"] && (there || !given)
}

// mountsOf returns what the checks need of a container's mounts. Has reports whether the kernel has
// a file below /proc.
func mountsOf(mounts []nsinspect.Mount, spec *inventory.SecuritySpec, host map[device]bool, has func(name string) bool) *snapshot.Mounts {
	root := treeOf(mounts).at("/")
	if root == nil {
		return nil
	}
	found := &snapshot.Mounts{ReadOnlyRoot: root.ReadOnly}
	if spec != nil {
		found.Exposed = exposed(mounts, spec, has)
	}
	for i := range mounts {
		m := &mounts[i]
		switch {
		case !host[deviceOf(m)] || !holdsFiles(m) || isOfRoot(m, root):
		case len(found.Host) == maxHostMountsKept:
			found.MoreHost++
		default:
			kept := *m
			kept.ID, kept.Parent = 0, 0 // They say nothing outside of the container's list.
			found.Host = append(found.Host, kept)
		}
	}
	return found
}

// isOfRoot reports whether a mount shows what the container's root directory is of: that, or
// something in it.
func isOfRoot(m, root *nsinspect.Mount) bool {
	return deviceOf(m) == deviceOf(root) && inventory.Within(m.Root, root.Root)
}

// exposed returns the paths below /proc that the spec covers, that the kernel has, and that show
// the kernel's own file all the same.
func exposed(mounts []nsinspect.Mount, spec *inventory.SecuritySpec, has func(name string) bool) []string {
	tree := treeOf(mounts)
	procs := procMounts(mounts, spec)
	shows := func(covered string, hidden bool) bool {
		name, ok := belowProc(covered)
		return ok && has(name) && slices.ContainsFunc(procs, func(point string) bool {
			m := tree.at(path.Join(point, name))
			return m != nil && m.FSType == "proc" && (hidden || !m.ReadOnly)
		})
	}
	var paths []string
	for _, masked := range spec.Masked[:min(len(spec.Masked), maxCovered)] {
		if shows(masked, true) {
			paths = append(paths, masked)
		}
	}
	for _, readOnly := range spec.ReadOnlyPaths[:min(len(spec.ReadOnlyPaths), maxCovered)] {
		if shows(readOnly, false) {
			paths = append(paths, readOnly)
		}
	}
	return paths
}

// procMounts returns where a whole procfs is mounted: at /proc, and at places that the spec does
// not name.
func procMounts(mounts []nsinspect.Mount, spec *inventory.SecuritySpec) []string {
	points := []string{"/proc"}
	for i := range mounts {
		m := &mounts[i]
		if m.FSType != "proc" || m.Root != "/" || len(points) == maxProcs {
			continue
		}
		asked := slices.ContainsFunc(spec.Mounts, func(asked inventory.Mount) bool { return inventory.Within(m.Point, asked.Point) })
		if !asked && !slices.Contains(points, m.Point) {
			points = append(points, m.Point)
		}
	}
	return points
}

// belowProc returns a path relative to /proc. Those of a process are no files of the kernel's, and
// lead to what a container has mounted.
func belowProc(name string) (string, bool) {
	rest, ok := strings.CutPrefix(path.Clean(name), "/proc/")
	first, _, _ := strings.Cut(rest, "/")
	return rest, ok && first != "" && (first[0] < '0' || first[0] > '9') && !strings.HasSuffix(first, "self")
}

// mountTree has the mounts of a mount namespace by where they are.
type mountTree struct {
	root *nsinspect.Mount
	on   map[mountPlace]*nsinspect.Mount
}

// mountPlace is a place on another mount.
type mountPlace struct {
	parent int
	point  string
}

func treeOf(mounts []nsinspect.Mount) *mountTree {
	t := &mountTree{on: make(map[mountPlace]*nsinspect.Mount, len(mounts))}
	ids := make(map[int]bool, len(mounts))
	for i := range mounts {
		ids[mounts[i].ID] = true
	}
	for i := range mounts {
		m := &mounts[i]
		if m.Point == "/" && !ids[m.Parent] {
			t.root = m
		}
		t.on[mountPlace{m.Parent, m.Point}] = m
	}
	return t
}

// at returns the mount that a path leads to, or nil. What is mounted on a mount hides what was
// there, and all that was mounted below it.
func (t *mountTree) at(name string) *nsinspect.Mount {
	at := t.root
	for end := 0; at != nil; {
		prefix := name[:end]
		if end == 0 {
			prefix = "/"
		}
		// A mount is never on itself, and each step goes to one that was mounted later or deeper.
		for steps := 0; t.on[mountPlace{at.ID, prefix}] != nil && steps <= len(t.on); steps++ {
			at = t.on[mountPlace{at.ID, prefix}]
		}
		if end == len(name) {
			break
		}
		next := strings.IndexByte(name[end+1:], '/')
		if next < 0 {
			end = len(name)
		} else {
			end += 1 + next
		}
	}
	return at
}
