// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

func cgroupSteps() map[string]runtimetest.Step {
	return map[string]runtimetest.Step{
		// The process, or the calling thread alone, goes to a cgroup of every hierarchy, which it makes if need be.
		"leave":        func(path string) error { return leave(path, "cgroup.procs", func(string) bool { return true }) },
		"leave-thread": func(path string) error { return leave(path, "tasks", func(string) bool { return true }) },
		// leave-but:name=systemd,/path leaves it in that hierarchy, and leave-only only there.
		"leave-but": func(value string) error {
			controller, path, _ := strings.Cut(value, ",")
			return leave(path, "cgroup.procs", func(c string) bool { return c != controller })
		},
		"leave-only": func(value string) error {
			controller, path, _ := strings.Cut(value, ",")
			return leave(path, "cgroup.procs", func(c string) bool { return c == controller })
		},
		// sub-cgroup:init.scope: it goes to one below its own.
		"sub-cgroup": subCgroup,
		"hide":       hide, // hide:tmpfs or hide:1
	}
}

// leave mounts the hierarchies, as whoever has CAP_SYS_ADMIN can, and moves the process.
func leave(path, file string, concerns func(controller string) bool) error {
	return eachHierarchy(func(controller, dir, _ string) error {
		if !concerns(controller) {
			return nil
		}
		for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
			dir = filepath.Join(dir, name)
			if err := makeCgroup(dir); err != nil {
				return err
			}
		}
		err := os.WriteFile(filepath.Join(dir, file), []byte("0"), 0)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) && file == "tasks" {
			return nil // cgroup v2 has no such file
		}
		return err
	})
}

// makeCgroup makes a cgroup that is not there yet, and gives it what its parent has to run on.
func makeCgroup(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	for _, setting := range []string{"cpuset.cpus", "cpuset.mems"} {
		if value, err := os.ReadFile(filepath.Join(filepath.Dir(dir), setting)); err == nil {
			_ = os.WriteFile(filepath.Join(dir, setting), value, 0)
		}
	}
	return nil
}

func subCgroup(name string) error {
	return eachHierarchy(func(_, dir, own string) error {
		dir = filepath.Join(dir, own, name)
		if err := makeCgroup(dir); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0)
	})
}

// eachHierarchy mounts each hierarchy and hands it over with the process's own cgroup in it.
func eachHierarchy(do func(controller, dir, own string) error) error {
	text, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		return err
	}
	for line := range strings.Lines(strings.TrimSpace(string(text))) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		controller, kind, options := fields[1], "cgroup", fields[1]
		switch {
		case controller == "":
			kind, options = "cgroup2", ""
		case strings.HasPrefix(controller, "name="):
			options = "none," + controller
		}
		dir := fmt.Sprintf("/tmp/cgroup-%d/%s", unix.Gettid(), fields[0])
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("cgroup", dir, kind, 0, options); err != nil {
			return fmt.Errorf("mount %q: %w", controller, err)
		}
		if err := do(controller, dir, fields[2]); err != nil {
			return fmt.Errorf("%q: %w", controller, err)
		}
	}
	return nil
}

// hide mounts something over the process's directory in the host's procfs, as miners do to be missing in ps: an empty
// file system, or the directory of another process.
func hide(what string) error {
	pid, err := os.Readlink("/host/proc/self")
	if err != nil {
		return err
	}
	if _, err := strconv.Atoi(pid); err != nil {
		return err
	}
	if err := join("/host/proc/1/ns/mnt"); err != nil {
		return err
	}
	if what == "tmpfs" {
		return unix.Mount("tmpfs", filepath.Join("/proc", pid), "tmpfs", 0, "")
	}
	return unix.Mount(filepath.Join("/proc", what), filepath.Join("/proc", pid), "", unix.MS_BIND, "")
}
