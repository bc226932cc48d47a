// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"fmt"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

const (
	// maxMountInfo caps the text of a container's mounts. The kernel allows 100,000 of them
	// (/proc/sys/fs/mount-max), which a container with CAP_SYS_ADMIN may make.
	maxMountInfo = 1 << 20
	// maxMountReaders caps the processes of a container whose mounts are read.
	maxMountReaders = 8
)

// readMounts reads the mounts of a container from one of its processes. It reports whether the
// process had any: one that has ended has none.
func (i *inspector) readMounts(ctx context.Context, process *nsinspect.Process, of *containerContext) bool {
	if of.mounts != nil {
		return true
	}
	text, err := process.MountInfo(ctx, i.text, maxMountInfo)
	if err == nil {
		i.text = text
		var mounts []nsinspect.Mount
		mounts, err = i.memory.parse(of.container.Key(), text)
		if showsWhole(mounts, of.container.SecuritySpec()) && !i.isAtHostRoot(process) {
			of.mounts = mounts
		}
	}
	if errors.Is(err, nsinspect.ErrTooLarge) {
		of.mounts = []nsinspect.Mount{} // Those of another are no fewer.
	}
	if err != nil && !errors.Is(err, nsinspect.ErrVanished) {
		of.unread(causeOf(err), oneLine(err))
	}
	return !errors.Is(err, nsinspect.ErrVanished)
}

// isAtHostRoot reports whether a process sees the host's mounts below a mount of its root directory:
// they include the host's procfs, of which nothing is covered.
func (i *inspector) isAtHostRoot(process *nsinspect.Process) bool {
	root, err := process.RootDir()
	return err == nil && root == i.host.root
}

// visitInit reads what is read of a container's init process only.
func (i *inspector) visitInit(ctx context.Context, process *nsinspect.Process, container *snapshot.Container) {
	if of := i.context(container); of != nil && i.wantsMounts(container) {
		i.readMounts(ctx, process, of)
	}
}

// wantsMounts reports whether a container has mounts of its own that are of use.
func (i *inspector) wantsMounts(container *snapshot.Container) bool {
	if container.Status == inventory.NoTask || container.Status == inventory.Created {
		return false // The runtime may still be at them.
	}
	spec := container.SecuritySpec()
	return i.depth == Full && spec == nil || spec != nil && !container.Asks(nsinspect.Mnt)
}

// complete puts what was read once a container into the snapshot, when it is settled who the
// containers are. One of which something is missing may have ended.
func (i *inspector) complete(ctx context.Context, closer *closer) error {
	for container, of := range i.contexts {
		if err := ctx.Err(); err != nil {
			return err
		}
		of.compact()
		if of.sandboxed || len(container.Processes) == 0 {
			continue
		}
		if i.host.security != nil && i.host.root == (nsinspect.FileID{}) {
			of.unread(snapshot.CauseHost, "the host's root directory could not be read, so that of its processes can't be compared with it")
		}
		noUsers := hasUsers(&container.Container) && container.UserNamespace.IsZero()
		if noUsers {
			of.unread(snapshot.CauseRead, "the user namespace that it was given could not be read")
		}
		if err := i.completeMounts(ctx, of); err != nil {
			return err
		}
		if _, left := closer.gone[container]; !left && (noUsers || i.wantsMounts(container) && of.mounts == nil) {
			closer.suspect(ctx, container, nil)
		}
	}
	return i.confirmMounts(ctx)
}

func (i *inspector) completeMounts(ctx context.Context, of *containerContext) error {
	container := of.container
	if !i.wantsMounts(container) {
		return nil
	}
	if of.mounts == nil {
		tried, err := i.mountsOfOthers(ctx, of)
		if err != nil {
			return err
		}
		if of.mounts == nil && tried > 0 {
			of.unread(snapshot.CauseRead, fmt.Sprintf("the mounts of %d of its processes are not those of its mount namespace: each has another root directory", tried))
		}
	}
	if i.host.security != nil && i.host.devices == nil {
		of.unread(snapshot.CauseHost, "the host's mounts could not be read, so its own can't be compared with them")
	}
	i.holdMounts(of)
	container.Mounts = mountsOf(of.mounts, container.SecuritySpec(), i.host.devices, i.node.fs.Has)
	return nil
}

// mountsOfOthers reads the mounts of a container whose init process has ended, or has another root
// directory, from the first of its other processes. It returns how many of them were read.
func (i *inspector) mountsOfOthers(ctx context.Context, of *containerContext) (int, error) {
	tried := 0
	for k := range of.container.Processes {
		if tried == maxMountReaders || of.mounts != nil {
			break
		}
		record := &of.container.Processes[k]
		if i.node.sharesKind(record, nsinspect.Mnt) {
			continue
		}
		process, container, err := openOwned(ctx, i.node, i.builder, record.PID)
		if err != nil {
			continue // It has ended.
		}
		// Its pid may be another's by now.
		if container == of.container && i.readMounts(ctx, process, of) {
			tried++
		}
		process.Close()
	}
	return tried, ctx.Err()
}
