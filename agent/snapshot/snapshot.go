// SPDX-License-Identifier: Apache-2.0

// Package snapshot holds what a scan saw of a node, as plain data: how snapshots are merged,
// saved and read again.
//
// It is pure. What could not be seen of a container travels with the container, through
// every merge.
package snapshot

import (
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// Snapshot is everything that one scan saw.
type Snapshot struct {
	// Node is the machine's name.
	Node string `json:"node"`
	// Time is when the scan began, and Duration how long it took.
	Time     time.Time     `json:"time"`
	Duration time.Duration `json:"duration"`
	// Host is what the containers' namespaces are compared with.
	Host nsinspect.HostReference `json:"host"`
	// HostSecurity is what their security contexts are compared with; nil where it was not read.
	HostSecurity *HostSecurity `json:"hostSecurity,omitempty"`
	// Inventory is where the containers were learnt from.
	Inventory inventory.Inventory `json:"inventory"`
	// Containers are those that have processes, or should have.
	Containers []Container `json:"containers"`
	// Ended are containers of pods that have none: init containers, mostly. What they were allowed
	// to do is a part of what their pod is.
	Ended []inventory.Container `json:"ended,omitempty"`
	// Coverage is how much was looked at.
	Coverage Coverage `json:"coverage"`
	// Ports is how much of the host's ports was looked at; nil if nothing was.
	Ports *PortCoverage `json:"ports,omitempty"`
}

// Container is a container with its processes.
type Container struct {
	inventory.Container

	Processes []Process `json:"processes,omitempty"`
	// Credentials are those that its threads have, each set once.
	Credentials []Credentials `json:"credentials,omitempty"`
	// UserNamespace is the container's own, which for most is the host's: its pause container's,
	// or its init process's outside of pods. It is zero where it was not read.
	UserNamespace nsinspect.ID `json:"userNamespace,omitzero"`
	// UserNamespaces are those that its processes are in, without the host's.
	UserNamespaces []UserNamespace `json:"userNamespaces,omitempty"`
	// Mounts are nil where they were not read.
	Mounts *Mounts `json:"mounts,omitempty"`
	// Age is how long its init process has been running; 0 where that was not read.
	Age time.Duration `json:"age,omitempty"`
	// Sockets are those of the host's network that its processes hold, or that were made in
	// its cgroup.
	Sockets []Socket `json:"sockets,omitempty"`
	// Held are namespaces of the host that it has a hold of without being in them.
	Held []Held `json:"held,omitempty"`
	// Forwards lead from the host's ports to the container. A pod's are with its pause
	// container.
	Forwards []Forward `json:"forwards,omitempty"`
	// Sightings are what was seen of it in namespaces of the host, and has left them.
	Sightings []Sighting `json:"sightings,omitempty"`
	// Unread is what could not be seen of it.
	Unread Unread `json:"unread,omitzero"`
}

// Unread is what could not be seen of a container. It travels with the container through
// every merge, so that no verdict rests on how much another scan has seen.
type Unread struct {
	// Gaps are about its processes, or about all of it.
	Gaps []Gap `json:"gaps,omitempty"`
	// Sockets are, by protocol, why sockets of the host's network that it has may be missing.
	Sockets map[socket.Protocol]Gap `json:"sockets,omitempty"`
	// Held are why namespaces of the host that it has a hold of may be missing.
	Held []Gap `json:"held,omitempty"`
	// Forwards are why forwards that lead to it may be missing: some could not be read.
	Forwards []Gap `json:"forwards,omitempty"`
	// Opaque are ways into it that can be read and not be understood, such as programs in the
	// kernel. That a forward is missing then proves nothing.
	Opaque []Gap `json:"opaque,omitempty"`
	// Security are about its security context.
	Security []Gap `json:"security,omitempty"`
}

// Process is one process of a container: those that the kernel counts into its cgroup, and those that
// have left it.
type Process struct {
	PID int `json:"pid"`
	// Left: it is not in the container's cgroup.
	Left bool `json:"left,omitempty"`
	// Command is read of the processes that share with the host or are weaker than they were to be;
	// by a full scan, of all. The process chooses it: escape it before it is shown.
	Command string `json:"command,omitempty"`
	// Groups are its threads by the namespaces that they are in.
	Groups []nsinspect.ThreadGroup `json:"groups"`
	// Credentials are those of its threads that were read.
	Credentials []CredentialGroup `json:"credentials,omitempty"`
	// HostRoot: its root directory is the host's, in whatever mount namespace it is.
	HostRoot bool `json:"hostRoot,omitempty"`
	// HostRootThreads counts the threads, of those that were looked at, that have the host's root
	// directory where the process's own is another, and HostRootTIDs names the first of them.
	HostRootThreads int   `json:"hostRootThreads,omitempty"`
	HostRootTIDs    []int `json:"hostRootTIDs,omitempty"`
}

// AtHostRoot reports whether the root directory of a thread is the host's.
func (p *Process) AtHostRoot() bool { return p.HostRoot || p.HostRootThreads > 0 }

// Coverage counts what a scan looked at.
type Coverage struct {
	// Processes is the number of processes of the node, and Threads the number of threads
	// of containers whose namespaces were read.
	Processes int `json:"processes"`
	Threads   int `json:"threads"`
	// Vanished counts processes that ended during the scan: normal.
	Vanished int `json:"vanished"`
	// Denied counts processes and threads of containers that could not be read.
	Denied int `json:"denied"`
	// Transient counts runtimes' own processes that were in a container's cgroup before they had
	// left the host's namespaces, and processes that were weaker than the container was to be for a
	// moment only, as sudo is.
	Transient int `json:"transient"`
	// Gaps are the parts of the node that were not seen.
	Gaps []Gap `json:"gaps,omitempty"`
}
