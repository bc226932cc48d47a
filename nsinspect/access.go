// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"fmt"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// CanPtrace reports whether this process holds CAP_SYS_PTRACE (capabilities(7)), without
// which the namespaces of other users' processes can't be read. A security module may
// still refuse; and a capability of a user namespace other than the initial one does not
// reach the host's processes.
func CanPtrace() (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, fmt.Errorf("read own capabilities: %w", err)
	}
	return data[0].Effective&(1<<unix.CAP_SYS_PTRACE) != 0, nil
}

// HidesProcesses returns the hidepid option of the procfs if it is mounted with one
// (proc(5)). Such a procfs does not list other users' processes to a reader without
// CAP_SYS_PTRACE. "" means that all are listed.
func (fs *FS) HidesProcesses() (string, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("proc"))
	if err != nil {
		return "", fmt.Errorf("read mount options of %s: %w", fs.root, err)
	}
	hidepid := ""
	for _, mount := range mounts {
		// The last mount on a path is the one that is seen.
		if mount.Mountpoint == fs.path() {
			hidepid = hidepidOf(mount.VFSOptions)
		}
	}
	return hidepid, nil
}

// hidepidOf returns the option among those of a procfs, or "" if it hides nothing.
func hidepidOf(options string) string {
	for option := range strings.SplitSeq(options, ",") {
		value, ok := strings.CutPrefix(option, "hidepid=")
		if ok && value != "0" && value != "off" {
			return value
		}
	}
	return ""
}
