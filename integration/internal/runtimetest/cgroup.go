// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// cgroupsPath is where a container outside of pods goes, in the words of the runtime spec.
func (c *Containerd) cgroupsPath(namespace, id string) string {
	if systemdCgroup() {
		return c.name + ".slice:" + namespace + ":" + id
	}
	return filepath.Join("/", c.name, namespace, id)
}

// podCgroup is the cgroup of a pod, which the kubelet would name likewise but for the first element.
func (c *Containerd) podCgroup(uid string) string {
	if systemdCgroup() {
		return c.name + "-kubepods-burstable-pod" + strings.ReplaceAll(uid, "-", "_") + ".slice"
	}
	return filepath.Join("/", c.name, "kubepods/burstable", "pod"+uid)
}

// hierarchy is one mounted tree of cgroups.
type hierarchy struct {
	dir     string
	v2      bool
	options []string // the controllers or the name of a v1 hierarchy, among others
}

func hierarchies() ([]hierarchy, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, fmt.Errorf("find the cgroups: %w", err)
	}
	var found []hierarchy
	for _, mount := range mounts {
		found = append(found, hierarchy{
			dir: mount.Mountpoint, v2: mount.FSType == "cgroup2", options: strings.Split(mount.VFSOptions, ","),
		})
	}
	return found, nil
}

// makeDaemonCgroup makes the cgroup in which containerd is started, so that nothing it starts can get lost. One
// hierarchy is enough for that: v2, or else the one of systemd, which limit nothing.
func (c *Containerd) makeDaemonCgroup() (string, error) {
	all, err := hierarchies()
	if err != nil {
		return "", err
	}
	tracking := slices.IndexFunc(all, func(h hierarchy) bool { return h.v2 })
	if tracking < 0 {
		tracking = slices.IndexFunc(all, func(h hierarchy) bool { return slices.Contains(h.options, "name=systemd") })
	}
	if tracking < 0 {
		return "", errors.New("neither cgroup v2 nor the name=systemd hierarchy is mounted")
	}
	dir := filepath.Join(all[tracking].dir, c.name, "containerd")
	return dir, os.MkdirAll(dir, 0o755)
}

// cgroupsOf returns the directories of all cgroups of a process.
func cgroupsOf(pid int) ([]string, error) {
	text, err := os.ReadFile(procPath(pid, "cgroup"))
	if err != nil {
		return nil, err
	}
	all, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var dirs []string
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		// ID:CONTROLLERS:PATH; v2 has no controllers.
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) != 3 {
			return nil, fmt.Errorf("%s: %q", procPath(pid, "cgroup"), lines.Text())
		}
		controller, _, _ := strings.Cut(fields[1], ",")
		for _, h := range all {
			if h.v2 && controller == "" || !h.v2 && slices.Contains(h.options, controller) {
				dirs = append(dirs, filepath.Join(h.dir, fields[2]))
				break
			}
		}
	}
	return dirs, nil
}

func moveInto(cgroup string, pid int) error {
	return os.WriteFile(filepath.Join(cgroup, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
}

// cgroupTree returns the cgroups that belong to a containerd by name, in all hierarchies, parents first.
func cgroupTree(name string) ([]string, error) {
	all, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, h := range all {
		for _, root := range []string{name, name + ".slice"} {
			err := filepath.WalkDir(filepath.Join(h.dir, root), func(path string, entry fs.DirEntry, err error) error {
				if err == nil && entry.IsDir() {
					dirs = append(dirs, path)
				}
				if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
					return nil // it went while we looked
				}
				return err
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return dirs, nil
}

// pidsIn returns the processes in the cgroups.
func pidsIn(cgroups []string) []int {
	var pids []int
	for _, cgroup := range cgroups {
		text, err := os.ReadFile(filepath.Join(cgroup, "cgroup.procs"))
		if err != nil {
			continue // it went while we looked
		}
		for field := range strings.FieldsSeq(string(text)) {
			// 0 stands for a process that our PID namespace doesn't show, and would mean ourselves to kill.
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}
