// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// MayBeNamespace reports whether the descriptor may be of the namespace of this kind with this inode:
// whoever has it open can enter the namespace (setns(2)). [Process.HoldsNamespace] tells for certain.
func (d *Descriptor) MayBeNamespace(kind Kind, inode uint64) bool {
	if d.Inode != 0 {
		return d.Inode == inode // What kind of file it is can't be told from that.
	}
	found, ok := parseInodeLink(d.Link, kind.String())
	return ok && found == inode
}

// HoldsNamespace reports whether a descriptor of the process is of this namespace, by the device and the
// inode of the file that /proc/PID/fd/FD leads to. Where that may not be followed, the inode and the mount
// in /proc/PID/fdinfo/FD tell: namespaces are on the kernel's own mount of nsfs, or on one that the process
// sees. Of a mount that is gone, or is in another mount namespace, the inode alone counts.
func (p *Process) HoldsNamespace(ctx context.Context, fd int, id ID) (bool, error) {
	holds, err := p.holdsNamespaceAt("", fd, id)
	if !errors.Is(err, unix.ENOENT) {
		return holds, procfd.Classify(fmt.Sprintf("look at descriptor %d of process %d", fd, p.pid), err)
	}
	// It was closed; or the leader has ended, and its threads have the descriptors.
	_, err = p.InPlaceOfLeader(ctx, func(dir string) error {
		var err error
		if holds, err = p.holdsNamespaceAt(dir, fd, id); errors.Is(err, unix.ENOENT) {
			return nil
		}
		return procfd.Classify(fmt.Sprintf("look at descriptor %d of process %d", fd, p.pid), err)
	})
	return holds, err
}

func (p *Process) holdsNamespaceAt(dir string, fd int, id ID) (bool, error) {
	var stat unix.Stat_t
	err := procfd.Stat(p.fd, dir+"fd/"+strconv.Itoa(fd), &stat, 0)
	if err == nil || !procfd.IsDenial(err) {
		return err == nil && idOf(&stat) == id, err
	}
	mount, inode, err := readDescriptorInfo(p.fd, dir+"fdinfo/"+strconv.Itoa(fd))
	if err != nil || inode != id.Ino {
		return false, err
	}
	if own, err := namespaceMount(); err == nil && own == mount {
		return true, nil
	}
	text, err := p.mountInfoAt(dir, nil, maxMountBytes)
	if err != nil {
		return false, err
	}
	mounts, err := ParseMounts(text)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(mounts, func(m Mount) bool { return uint64(m.ID) == mount })
	return i < 0 || mounts[i].FSType == "nsfs", nil
}

// namespaceMount returns the id of the mount that namespaces are on which were not opened by a path of
// another mount: nsfs, which is the kernel's own.
func namespaceMount() (uint64, error) {
	own, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return 0, fmt.Errorf("open a namespace: %w", err)
	}
	defer func() { _ = own.Close() }() // It was only looked at.
	return procfd.MountID(int(own.Fd()))
}
