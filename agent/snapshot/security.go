// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// HostSecurity is what the security contexts of containers are compared with.
type HostSecurity struct {
	// Bounding is the bounding set of the host reference: every capability that the kernel has,
	// unless the whole node does without some.
	Bounding nsinspect.Capabilities `json:"bounding"`
	// Module is the security module that labels processes; empty for none.
	Module nsinspect.SecurityModule `json:"module,omitempty"`
}

// HasAll reports whether a set has every capability of the host, of those that this program has a
// name for. Of a host without any, nothing has all.
func (h *HostSecurity) HasAll(set nsinspect.Capabilities) bool {
	all := h.Bounding & nsinspect.KnownCapabilities()
	return all != 0 && all.Without(set) == 0
}

// Credentials are a set of credentials that threads of a container have.
type Credentials struct {
	nsinspect.Credentials

	// Label is how the security module confines them; nil where there is none, or where it was
	// not read.
	Label *nsinspect.Label `json:"label,omitempty"`
}

// CredentialGroup is the threads of a process that have the same credentials.
type CredentialGroup struct {
	// Set is the index of the credentials among those of the container.
	Set int `json:"set"`
	// Threads is the number of threads, of those that were read.
	Threads int `json:"threads"`
	// TIDs names the first of them. It is empty when all threads of the process that were read
	// are in this group.
	TIDs []int `json:"tids,omitempty"`
	// Unconfirmed are the ways in which they looked weaker than the spec that a second look did
	// not confirm.
	Unconfirmed inventory.Weakness `json:"unconfirmed,omitempty"`
}

// UserNamespace is a user namespace that processes of a container are in, other than the host's.
type UserNamespace struct {
	ID   nsinspect.ID     `json:"id"`
	Maps nsinspect.IDMaps `json:"maps"`
}

// Mounts are what the checks need of the mounts of a container's mount namespace.
type Mounts struct {
	// ReadOnlyRoot: nothing can be written by way of the mount of its root directory.
	ReadOnlyRoot bool `json:"readOnlyRoot,omitempty"`
	// Exposed are the paths below /proc that the spec masks or makes read-only, that this kernel
	// has, and that are not covered.
	Exposed []string `json:"exposed,omitempty"`
	// Host are the mounts of file systems that the host has mounted too, without those of
	// the container's root directory and of the kernel's own file systems. MoreHost counts those
	// beyond the cap.
	Host     []nsinspect.Mount `json:"host,omitempty"`
	MoreHost int               `json:"moreHost,omitempty"`
}

// IsNested reports whether a process is in a user namespace below the container's: neither in that
// nor in the host's, which is above it. One whose namespace was not read is not.
func (c *Container) IsNested(process *Process, host *nsinspect.HostReference) bool {
	for i := range process.Groups {
		if id, ok := process.Groups[i].Namespaces.Get(nsinspect.User); ok {
			hosts, _ := host.Namespaces.Get(nsinspect.User)
			return !c.UserNamespace.IsZero() && id != c.UserNamespace && id != hosts
		}
	}
	return false
}

// Weaknesses are the ways in which the credentials of a container's threads are weaker than its spec,
// compared once a set: a set may have 65,536 groups, and be that of a thousand processes.
type Weaknesses struct {
	spec *inventory.SecuritySpec
	// ways are by set, for threads that are nested and that are not.
	ways map[comparedSet]inventory.Weakness
}

// comparedSet is a set of credentials, by its index.
type comparedSet struct {
	set    int
	nested bool
}

// Of returns the ways in which a set of credentials of a container is weaker than the spec, which must
// be known. The sets that were asked for may not change.
func (w *Weaknesses) Of(container *Container, set int, nested bool) inventory.Weakness {
	if spec := container.SecuritySpec(); w.ways == nil || w.spec != spec {
		w.spec, w.ways = spec, make(map[comparedSet]inventory.Weakness)
	}
	key := comparedSet{set, nested}
	ways, ok := w.ways[key]
	if !ok {
		ways = w.spec.Weaker(&container.Credentials[set].Credentials, nested)
		w.ways[key] = ways
	}
	return ways
}
