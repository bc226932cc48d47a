// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/vmwire"
)

// gatherFacts describes the running kernel. What cannot be read counts as not
// there: the host decides whether that is good enough.
func gatherFacts() (*vmwire.Facts, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, fmt.Errorf("uname: %w", err)
	}
	return &vmwire.Facts{
		Release:        unix.ByteSliceToString(uts.Release[:]),
		Cgroup:         filesystemType("/sys/fs/cgroup"),
		AppArmor:       readParameter("enabled") == "Y",
		AppArmorMode:   readParameter("mode"),
		AppArmorParser: executable("/sbin/apparmor_parser"),
	}, nil
}

// filesystemType names the file system at path as stat -f does.
func filesystemType(path string) string {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return err.Error()
	}
	switch stat.Type {
	case unix.CGROUP2_SUPER_MAGIC:
		return "cgroup2fs"
	case unix.TMPFS_MAGIC:
		return "tmpfs" // cgroup v1, or hybrid
	default:
		return fmt.Sprintf("%#x", stat.Type)
	}
}

// readParameter reads one parameter of the AppArmor module.
func readParameter(name string) string {
	content, err := os.ReadFile("/sys/module/apparmor/parameters/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

func executable(path string) bool {
	return unix.Access(path, unix.X_OK) == nil
}
