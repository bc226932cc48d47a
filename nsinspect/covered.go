// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// maxOwnMounts caps the text of the mounts that this process sees. A node has some dozen for each pod.
const maxOwnMounts = 16 << 20

// uncover takes, if this process may, a copy of the mount of the procfs on which nothing is mounted.
func (fs *FS) uncover() error {
	is, mounted, err := procfd.IsProcfs(fs.fd())
	switch {
	case err != nil:
		return err
	case !is && mounted:
		return errors.New("another file system is mounted there")
	case !is:
		return nil
	}
	fd, err := procfd.Uncover(fs.fd())
	if err != nil {
		return nil //nolint:nilerr // It lacks the right: FindCovered then tells what is mounted there.
	}
	copied := os.NewFile(uintptr(fd), fs.root)
	covered := fs.dir
	fs.dir, fs.uncovered = copied, true
	return covered.Close()
}

// FindCovered looks for what is mounted over processes and over parts of them, such as /proc/PID/ns,
// by whoever has CAP_SYS_ADMIN in the mount namespace of this process or in one that mounts come from.
// From then on [FS.Open] refuses these processes, so that nothing is read that the kernel has not
// written. It returns those that it did not know yet, and why for each, which wraps [ErrCovered].
//
// It reads /proc/self/mountinfo (proc_pid_mountinfo(5)).
func (fs *FS) FindCovered() (map[int]error, error) {
	if fs.uncovered {
		return nil, nil
	}
	covered, err := fs.readCovered()
	if err != nil {
		return nil, fmt.Errorf("find what is mounted over processes in %s: %w", fs.root, err)
	}
	found := make(map[int]error)
	for pid, part := range covered {
		if _, known := fs.coveredPart(pid); !known {
			found[pid] = coveredError(pid, part)
		}
	}
	fs.covered.Store(&covered)
	return found, nil
}

func (fs *FS) readCovered() (map[int]string, error) {
	text, err := procfd.ReadLines(unix.AT_FDCWD, "/proc/self/mountinfo", nil, maxOwnMounts)
	if err != nil {
		return nil, err
	}
	mounts, err := ParseMounts(text)
	if err != nil {
		return nil, err
	}
	id, err := procfd.MountID(fs.fd())
	if err != nil {
		return nil, err
	}
	return coveredBy(mounts, id), nil
}

// coveredBy returns the processes of the procfs on the mount with this id that others are mounted over.
func coveredBy(mounts []Mount, id uint64) map[int]string {
	covered := make(map[int]string)
	point := ""
	for i := range mounts {
		if uint64(mounts[i].ID) == id && mounts[i].FSType == "proc" { //nolint:gosec // Ids of mounts are not negative.
			point = path.Join(mounts[i].Point, "/")
		}
	}
	for i := range mounts {
		m := &mounts[i]
		if point == "" || uint64(m.Parent) != id { //nolint:gosec // As above.
			continue
		}
		name, ok := strings.CutPrefix(m.Point, strings.TrimSuffix(point, "/")+"/")
		first, part, _ := strings.Cut(name, "/")
		if pid, err := strconv.Atoi(first); ok && err == nil {
			if other, twice := covered[pid]; !twice || part < other {
				covered[pid] = part
			}
		}
	}
	return covered
}

func (fs *FS) coveredPart(pid int) (string, bool) {
	covered := fs.covered.Load()
	if covered == nil {
		return "", false
	}
	part, ok := (*covered)[pid]
	return part, ok
}

// coveredError names the part in the words of who has mounted it: escape it before it is shown.
func coveredError(pid int, part string) error {
	if part == "" {
		return fmt.Errorf("%w process %d", ErrCovered, pid)
	}
	return fmt.Errorf("%w %s of process %d", ErrCovered, part, pid)
}
