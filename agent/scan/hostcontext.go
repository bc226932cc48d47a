// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// maxHostMounts caps the text of the host's mounts. A node has some dozen for each pod, and one of
// a container's layers is a line of some thousand bytes.
const maxHostMounts = 16 << 20

// hostContext is what the security contexts of containers are compared with.
type hostContext struct {
	// root is zero where it is not known.
	root nsinspect.FileID
	// devices are of the file systems that the host has mounted; nil where they are not known.
	devices map[device]bool
	// mounts are those that show the host's namespaces.
	mounts hostMounts
	// security is nil where it is not known.
	security *snapshot.HostSecurity
}

func (h *hostContext) module() nsinspect.SecurityModule {
	if h.security == nil {
		return ""
	}
	return h.security.Module
}

// readHost reads the host's. Without a host reference there is nothing to compare with, unless a
// process could stand for the host and only its namespaces may not be read, as under a profile of
// AppArmor: its credentials are there for everybody.
func (i *inspector) readHost(ctx context.Context, candidates []nsinspect.HostCandidate) {
	if i.node.ref.Reference == nsinspect.ByNone {
		if process := i.deniedHost(candidates); process != nil {
			defer process.Close()
			i.readContext(ctx, process)
		}
		return
	}
	process, err := i.node.host.Process(nsinspect.Mnt)
	if err != nil {
		i.builder.gap(causeOf(err), "the host's security context: "+oneLine(err))
		return
	}
	i.readContext(ctx, process)
	if i.host.root, err = process.RootDir(); err != nil {
		i.builder.gap(causeOf(err), "the host's root directory: "+oneLine(err))
	}
}

// deniedHost opens the first process that would stand for the host if its namespaces might be
// read; nil if there is none.
func (i *inspector) deniedHost(candidates []nsinspect.HostCandidate) *nsinspect.Process {
	for _, candidate := range candidates {
		process, err := i.node.fs.Open(candidate.PID)
		if err != nil {
			continue
		}
		if _, err := process.Namespaces(); errors.Is(err, nsinspect.ErrDenied) {
			return process
		}
		process.Close()
	}
	return nil
}

// readContext reads what anyone may read of the process that stands for the host.
func (i *inspector) readContext(ctx context.Context, process *nsinspect.Process) {
	credentials, err := process.Credentials()
	if err != nil {
		i.builder.gap(causeOf(err), "the host's credentials: "+oneLine(err))
		return
	}
	i.host.security = &snapshot.HostSecurity{Bounding: credentials.Bounding, Module: i.readModule(process)}
	i.builder.snap.HostSecurity = i.host.security
	if i.host.devices, err = i.readDevices(ctx, process); err != nil {
		i.builder.gap(causeOf(err), "the host's mounts: "+oneLine(err))
	}
}

// readModule returns the security module that labels processes. Where the label of the host
// reference may not be read, that of this process tells.
func (i *inspector) readModule(host *nsinspect.Process) nsinspect.SecurityModule {
	label, err := host.Label()
	if err == nil || errors.Is(err, nsinspect.ErrAbsent) {
		return label.Module
	}
	own, err := i.node.fs.Open(i.node.fs.Self())
	if err != nil {
		return ""
	}
	defer own.Close()
	label, _ = own.Label()
	return label.Module
}

func (i *inspector) readDevices(ctx context.Context, host *nsinspect.Process) (map[device]bool, error) {
	text, err := host.MountInfo(ctx, i.text, maxHostMounts)
	if err != nil {
		return nil, err
	}
	i.text = text
	mounts, err := i.memory.parse(inventory.Key{}, text)
	if err != nil {
		return nil, fmt.Errorf("read the mounts of process %d: %w", host.PID(), err)
	}
	i.host.mounts = newHostMounts(mounts)
	return devicesOf(mounts), nil
}

// holdMounts notes by which mounts a container has a hold of the host's namespaces, and no others.
func (i *inspector) holdMounts(of *containerContext) {
	container := of.container
	container.Held = slices.DeleteFunc(container.Held, func(held snapshot.Held) bool { return held.Way == snapshot.HeldMount })
	for _, held := range i.host.mounts.held(&container.Container, of.mounts, &i.node.ref.Namespaces) {
		container.AddHeld(held)
	}
}

// confirmMounts reads the host's mounts again if a container has one of a file system of the host that
// nothing explains. While containers come and go, the number of a file system that the host had is
// another's, a container's own, a moment later.
func (i *inspector) confirmMounts(ctx context.Context) error {
	var suspected []*snapshot.Container
	for container := range i.contexts {
		if container.Mounts != nil && (len(container.Held) > 0 || len(container.UndeclaredMounts(container.Mounts.Host)) > 0) {
			suspected = append(suspected, container)
		}
	}
	if len(suspected) == 0 {
		return nil
	}
	process, err := i.node.host.Process(nsinspect.Mnt)
	if err != nil {
		return nil //nolint:nilerr // What was read first stands.
	}
	devices, err := i.readDevices(ctx, process)
	if err != nil {
		return ctx.Err() // As above.
	}
	for _, container := range suspected {
		i.holdMounts(i.contexts[container])
		container.Mounts.Host = slices.DeleteFunc(container.Mounts.Host, func(m nsinspect.Mount) bool { return !devices[deviceOf(&m)] })
	}
	return nil
}
