// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"slices"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// HeldBy is how a container holds a namespace of the host.
type HeldBy string

// The ways to hold a namespace.
const (
	// HeldFile is an open file of the namespace, which setns(2) takes.
	HeldFile HeldBy = "file"
	// HeldMount is a mount of the namespace's file, or of a file system that shows what is in it: the
	// procfs of a PID namespace, the queues of an IPC namespace (mq_overview(7)).
	HeldMount HeldBy = "mount"
)

// HeldWays returns every way.
func HeldWays() []HeldBy { return []HeldBy{HeldFile, HeldMount} }

// Held is a namespace of the host that a container has a hold of without being in it, and that it did
// not declare: it can enter it, or act in it.
type Held struct {
	Kind nsinspect.Kind `json:"kind"`
	Way  HeldBy         `json:"way"`
	// PID is a process with the file open; 0 for a mount.
	PID int `json:"pid,omitempty"`
	// Command is chosen by the process, and Detail, such as where a mount is, by the container: escape
	// them before they are shown.
	Command string `json:"command,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// maxHeld caps what one container has in a snapshot. The first of each kind are kept: one is enough
// for the verdict.
const maxHeld = 64

// AddHeld adds what a container holds, unless it is there already or there is no room.
func (c *Container) AddHeld(held Held) {
	if len(c.Held) < maxHeld && !slices.Contains(c.Held, held) {
		c.Held = append(c.Held, held)
	}
}

// keepHeld completes what a scan could not see of what a container holds by what was known.
func keepHeld(container, known *Container) {
	if len(container.Unread.Held) == 0 && !notSeen(container) {
		return
	}
	container.Held = slices.Clone(container.Held)
	for _, held := range known.Held {
		container.AddHeld(held)
	}
}
