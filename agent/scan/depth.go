// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// Depth is how much of the security context a scan reads.
type Depth uint8

const (
	// Namespaces reads nothing of it.
	Namespaces Depth = iota
	// Lean reads the credentials of each process, and those of a thread where something hints at
	// a difference or where its turn has come. What is a matter of the container is read of its
	// init process.
	Lean
	// Full reads everything of each thread.
	Full
)

// kindsRead are the kinds of namespaces that are read of a process.
type kindsRead struct{ usual, users, init []nsinspect.Kind }

// newKinds leaves out the kinds that this kernel does not have.
func newKinds(depth Depth, host *nsinspect.Namespaces) kindsRead {
	present := func(more ...nsinspect.Kind) []nsinspect.Kind {
		more = slices.DeleteFunc(more, func(kind nsinspect.Kind) bool {
			_, ok := host.Get(kind)
			return !ok
		})
		return append(judged(), more...)
	}
	all := present(nsinspect.Mnt, nsinspect.User, nsinspect.UTS, nsinspect.Cgroup)
	switch depth {
	case Full:
		return kindsRead{all, all, all}
	case Lean:
		return kindsRead{present(nsinspect.Mnt), present(nsinspect.Mnt, nsinspect.User), all}
	default:
		return kindsRead{judged(), judged(), judged()}
	}
}

// of returns the kinds that are read of a process of a container. Its init process stands for what
// is seldom left.
func (k *kindsRead) of(container *snapshot.Container, pid int) []nsinspect.Kind {
	switch {
	case pid == container.PID:
		return k.init
	case hasUsers(&container.Container):
		return k.users
	}
	return k.usual
}

// compared are the kinds in which a process that shares with the host, though its container did not
// declare it, is looked at twice.
func (d Depth) compared() []nsinspect.Kind {
	if d == Namespaces {
		return judged()
	}
	return append(judged(), nsinspect.Mnt, nsinspect.User, nsinspect.UTS, nsinspect.Cgroup)
}

// hasUsers reports whether a container was given a user namespace of its own.
func hasUsers(container *inventory.Container) bool {
	spec := container.SecuritySpec()
	return spec != nil && !slices.Contains(spec.Host, nsinspect.User)
}

// mayHaveHostRoot reports whether its processes may make the host's root directory theirs: by a
// mount of it, by mounting the file system that it is on, by way of a process of the host, or by a
// file handle (open_by_handle_at(2)).
func mayHaveHostRoot(container *inventory.Container) bool {
	spec := container.SecuritySpec()
	switch {
	case spec == nil:
		return false // There is nothing to judge it by.
	case container.Security.Request != nil && container.Security.Request.Privileged:
		return true
	case spec.Holds()&capSysAdmin != 0:
		return true
	}
	if spec.Holds()&capSysChroot == 0 {
		return false
	}
	return spec.Holds()&(capDACReadSearch|capSysPtrace) != 0 || slices.ContainsFunc(spec.Mounts, func(m inventory.Mount) bool { return m.Source == "/" })
}

// MayEnter reports whether the processes of a container may have the right to enter a namespace of the
// host, CAP_SYS_ADMIN (setns(2)).
func MayEnter(container *inventory.Container) bool {
	spec := container.SecuritySpec()
	return spec == nil || (spec.Bounding|spec.Holds())&capSysAdmin != 0
}

// Capabilities by their numbers (linux/capability.h).
const (
	capDACReadSearch nsinspect.Capabilities = 1 << 2
	capSysChroot     nsinspect.Capabilities = 1 << 18
	capSysPtrace     nsinspect.Capabilities = 1 << 19
	capSysAdmin      nsinspect.Capabilities = 1 << 21
)
