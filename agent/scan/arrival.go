// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"errors"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

// patience is how long a runtime's own process may take to leave the host's namespaces. On a node that
// is busy with something else, runc was seen to take more than a second from entering a container's
// cgroup.
const patience = 5 * time.Second

// arrival says whether a process is a runtime's own on its way into a container. Such a process is in
// the container's cgroup before it has left the host's namespaces. Names of the process itself count
// for nothing: a program of the container chooses its own.
type arrival uint8

const (
	// foreign is a process that is not, and was not a moment ago: the container's.
	foreign arrival = iota
	// arrived is a process that is not any more, and may have been until just now.
	arrived
	// arriving is a process that is.
	arriving
	// late is a process that is, and has been for longer than it takes.
	late
	// undecided is a process of which it could not be read.
	undecided
)

// arrivals tells arrivals.
type arrivals struct {
	node *node
	// daemons are processes that may have mounts of their own and start runtimes: a Docker that was
	// installed as a snap does.
	daemons []nsinspect.HostCandidate
	// mounts are the mount namespaces of runtimes: the host's, and those of the daemons. They are nil
	// until they were needed.
	mounts []nsinspect.ID
}

// maxParents is how often the parent is looked up again, because it has ended meanwhile.
const maxParents = 3

// of returns what a process of a container is. Its parent decides, which a process can't choose: when
// it ends, one of the host takes its place, or the container's init process. It is a runtime's as long
// as it executes what the runtime does, and is young.
func (a *arrivals) of(process *nsinspect.Process) arrival {
	age, err := process.Age()
	switch {
	case errors.Is(err, nsinspect.ErrVanished):
		return arrived
	case err != nil:
		return undecided
	}
	found := a.byRuntime(process)
	switch {
	case age <= patience:
		return found
	case found == arriving:
		return late
	case found == undecided:
		return undecided
	default:
		return foreign
	}
}

// isStarting reports whether a process is the one that becomes the program of a young container, which
// is inside already, and has yet to give up what the container is not to have: the runtime has ended,
// and the shim taken its place. Of a container that was made since the list was, it is not known which
// process that is.
func (a *arrivals) isStarting(process *nsinspect.Process, container *snapshot.Container) bool {
	command, err := process.Command()
	if err != nil || !runtimes.IsInit(command) || container.PID != 0 && process.PID() != container.PID {
		return false
	}
	if age, err := process.Age(); err != nil || age > patience {
		return false
	}
	switch a.byParent(process, func(parent *nsinspect.Process) arrival {
		if isNamed(parent, runtimes.IsShim) || isRuntime(parent) {
			return arriving
		}
		return arrived
	}) {
	case arriving, undecided: // Where nothing may be read but credentials, the name has to do.
		return true
	default:
		return false
	}
}

// isRuntimes reports whether a process of a container that was not started yet is the runtime's. It may
// stay that for long, while hooks run, with the host's root directory and all capabilities; and a
// container's init that nobody starts waits before its last step, in which a runtime installs the
// seccomp filter and the label.
func (a *arrivals) isRuntimes(process *nsinspect.Process, container *snapshot.Container) bool {
	switch container.Status {
	case inventory.Created, inventory.NoTask:
	default:
		return false
	}
	if container.PID == process.PID() {
		return true
	}
	return a.byRuntime(process) == arriving || container.PID == 0 && a.isStarting(process, container)
}

// byRuntime decides by whether the parent is a runtime, whose program the process still executes.
func (a *arrivals) byRuntime(process *nsinspect.Process) arrival {
	return a.byParent(process, func(parent *nsinspect.Process) arrival {
		if !isRuntime(parent) {
			return arrived // The runtime may have ended.
		}
		return copyOf(process, parent)
	})
}

// byParent decides by the parent of a process, if that is one of the host.
func (a *arrivals) byParent(process *nsinspect.Process, decide func(parent *nsinspect.Process) arrival) arrival {
	for range maxParents {
		found, err := a.lookAtParent(process, decide)
		if !errors.Is(err, errReparented) {
			return found
		}
	}
	return undecided
}

// errReparented says that the parent has ended while it was looked at.
var errReparented = errors.New("it has another parent now")

func (a *arrivals) lookAtParent(process *nsinspect.Process, decide func(parent *nsinspect.Process) arrival) (arrival, error) {
	pid, err := process.Parent()
	if err != nil {
		return failed(err), nil
	}
	parent, err := a.node.fs.Open(pid)
	if err != nil {
		return a.again(process, pid, failed(err))
	}
	defer parent.Close()
	switch origin, err := a.originOf(parent); {
	case err != nil:
		return a.again(process, pid, failed(err))
	case origin != ofHost:
		return a.again(process, pid, origin.child())
	}
	return a.again(process, pid, decide(parent))
}

// again returns what was found, unless the process has another parent by now.
func (a *arrivals) again(process *nsinspect.Process, parent int, found arrival) (arrival, error) {
	if now, err := process.Parent(); err == nil && now != parent {
		return undecided, errReparented
	}
	return found, nil
}

// failed returns what is known of a process of which something could not be read.
func failed(err error) arrival {
	if errors.Is(err, nsinspect.ErrVanished) {
		return arrived
	}
	return undecided
}

// origin is where a parent is from.
type origin uint8

const (
	// ofContainer is a process of a container, or of one that has left its cgroup.
	ofContainer origin = iota
	// ofHost is a process of the host: no cgroup of a container is its own, and the host's processes and
	// the mounts of the host or of a runtime are what it sees.
	ofHost
	// elsewhere is a process of the host with mounts of its own, which a runtime may have.
	elsewhere
)

// child is what its children are, where that decides.
func (o origin) child() arrival {
	if o == elsewhere {
		return undecided
	}
	return foreign
}

// originOf returns where a process is from. None of what it goes by can be entered by a process of a
// container but by one that has left it.
func (a *arrivals) originOf(process *nsinspect.Process) (origin, error) {
	entries, err := cgroup.Read(process)
	if err != nil {
		return ofContainer, err
	}
	if a.node.owners.Attribute(entries).Kind != owner.OfHost {
		return ofContainer, nil
	}
	pids, err := process.Namespace(nsinspect.PID)
	if err != nil {
		return ofContainer, err
	}
	if host, ok := a.node.ref.Namespaces.Get(nsinspect.PID); !ok || pids != host {
		return ofContainer, nil
	}
	mounts, err := process.Namespace(nsinspect.Mnt)
	switch {
	case err != nil:
		return ofContainer, err
	case a.isRuntimeMount(mounts):
		return ofHost, nil
	case a.node.strays.isContainerMount(mounts):
		return ofContainer, nil
	default:
		return elsewhere, nil
	}
}

// isRuntimeMount reports whether runtimes have this mount namespace.
func (a *arrivals) isRuntimeMount(id nsinspect.ID) bool {
	if a.mounts == nil {
		host, _ := a.node.ref.Namespaces.Get(nsinspect.Mnt)
		a.mounts = append(a.mounts, host)
		for _, daemon := range a.daemons {
			if id, err := a.node.mountsOf(daemon.PID); err == nil {
				a.mounts = append(a.mounts, id)
			}
		}
	}
	return slices.Contains(a.mounts, id)
}

// mountsOf returns the mount namespace of a process.
func (n *node) mountsOf(pid int) (nsinspect.ID, error) {
	process, err := n.fs.Open(pid)
	if err != nil {
		return nsinspect.ID{}, err
	}
	defer process.Close()
	return process.Namespace(nsinspect.Mnt)
}

func isRuntime(parent *nsinspect.Process) bool { return isNamed(parent, runtimes.IsRuntime) }

// isNamed reports whether a process of the host has a name, by its command or its executable. crun that
// executes a copy of itself has the number of a file for command.
func isNamed(parent *nsinspect.Process, recognise func(name string) bool) bool {
	if command, err := parent.Command(); err == nil && recognise(command) {
		return true
	}
	path, err := parent.ExecutablePath()
	return err == nil && recognise(path)
}

// copyOf reports whether a process still executes what its parent, a runtime, does.
func copyOf(process, parent *nsinspect.Process) arrival {
	own, err := process.Executable()
	if err != nil {
		return failed(err)
	}
	of, err := parent.Executable()
	if err != nil {
		return failed(err)
	}
	if own.IsCopyOf(of) {
		return arriving
	}
	return arrived // It has become the program.
}
