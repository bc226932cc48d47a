// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// MergeFull joins what is known of a node with what a full scan saw. Not seen is not gone:
// a container that the scan could not look at is kept as it was, with the reason.
func MergeFull(before, now *Snapshot) *Snapshot {
	if before == nil {
		return now
	}
	if now.Host.Reference == nsinspect.ByNone && before.Host.Reference != nsinspect.ByNone {
		// Nothing can be compared now. What was concluded before stands.
		kept := *before
		kept.Inventory, kept.Coverage = now.Inventory, now.Coverage
		return &kept
	}
	merged := *now
	merged.Containers = slices.Clone(now.Containers)
	for i := range merged.Containers {
		container := &merged.Containers[i]
		known := containerOf(before, container.Key())
		if known == nil {
			continue
		}
		if notSeen(container) {
			keepProcesses(container, known)
		}
		keepKnown(container, known, now.Time)
	}
	if now.Ports == nil {
		merged.Ports = before.Ports // Counters of the last scan that came so far.
	}
	if unfinished(now.Coverage.Gaps) {
		merged.Containers = append(merged.Containers, notReached(before, now)...)
	}
	return &merged
}

// MergeTargeted replaces the containers that a targeted scan asked about. What that scan
// could not see of the node, and the last full scan could, is unknown of these containers.
func MergeTargeted(before, now *Snapshot, asked []inventory.Key) *Snapshot {
	gaps := slices.DeleteFunc(slices.Clone(now.Coverage.Gaps), func(gap Gap) bool {
		return slices.Contains(before.Coverage.Gaps, gap)
	})
	merged := *before
	merged.Containers = nil
	for _, container := range before.Containers {
		switch key := container.Key(); {
		case indexOfContainer(now, key) >= 0, container.RuntimeName == "" && identified(now, container.ID):
			continue
		case !slices.Contains(asked, key):
		case len(now.Coverage.Gaps) == 0:
			continue // It is gone.
		default:
			addGaps(&container, gaps)
		}
		merged.Containers = append(merged.Containers, container)
	}
	for _, container := range now.Containers {
		addGaps(&container, gaps)
		if known := containerOf(before, container.Key()); known != nil {
			keepKnown(&container, known, now.Time)
		}
		merged.Containers = append(merged.Containers, container)
	}
	merged.Ended = mergeEnded(before, now, asked)
	return &merged
}

// mergeEnded replaces those of the containers that have ended that a targeted scan asked about.
func mergeEnded(before, now *Snapshot, asked []inventory.Key) []inventory.Container {
	var ended []inventory.Container
	for i := range before.Ended {
		if key := before.Ended[i].Key(); !slices.Contains(asked, key) && indexOfContainer(now, key) < 0 {
			ended = append(ended, before.Ended[i])
		}
	}
	return append(ended, now.Ended...)
}

// addGaps adds gaps to a container without changing the snapshot that it is from.
func addGaps(container *Container, gaps []Gap) {
	container.Unread.Gaps = slices.Clone(container.Unread.Gaps)
	for _, gap := range gaps {
		AddGap(&container.Unread.Gaps, gap.Cause, gap.Detail)
	}
}

// keepKnown takes over what is kept of what was known of a container, beside its processes.
func keepKnown(container, known *Container, now time.Time) {
	keepPorts(container, known)
	keepSightings(container, known, now)
	keepHeld(container, known)
}

// keepPorts completes what a scan could not see of a container's ports by what was known of
// them.
func keepPorts(container, known *Container) {
	container.Sockets, container.Forwards = slices.Clone(container.Sockets), slices.Clone(container.Forwards)
	if len(container.Unread.Sockets) > 0 {
		container.Age = max(container.Age, known.Age)
	}
	for _, socket := range known.Sockets {
		if _, unseen := container.Unread.Sockets[socket.Protocol]; unseen && !slices.ContainsFunc(container.Sockets, func(s Socket) bool { return s.Socket == socket.Socket }) {
			container.Sockets = append(container.Sockets, socket)
		}
	}
	for _, forward := range known.Forwards {
		if len(container.Unread.Forwards) > 0 && !slices.ContainsFunc(container.Forwards, func(f Forward) bool { return f.Forward == forward.Forward }) {
			container.Forwards = append(container.Forwards, forward)
		}
	}
}

// identified reports whether a container that was known by its cgroup only has a name now.
func identified(now *Snapshot, id string) bool {
	return slices.ContainsFunc(now.Containers, func(c Container) bool { return c.ID == id })
}

// notSeen reports whether a scan saw of no process of a container where it is, because something
// went wrong.
func notSeen(container *Container) bool {
	return !isSeen(container) && slices.ContainsFunc(container.Unread.Gaps, func(gap Gap) bool {
		switch gap.Cause {
		case CauseDenied, CauseRead, CauseLimit, CauseUnfinished:
			return true
		default: // Its processes were looked for, and there were none.
			return false
		}
	})
}

// isSeen reports whether the namespaces of a process of a container are known. Where they may not be
// read, its credentials may.
func isSeen(container *Container) bool {
	return slices.ContainsFunc(container.Processes, func(p Process) bool { return len(p.Groups) > 0 })
}

func unfinished(gaps []Gap) bool {
	return slices.ContainsFunc(gaps, func(gap Gap) bool { return gap.Cause == CauseUnfinished })
}

// notReached returns the containers that an unfinished scan did not come to, marked so.
func notReached(before, now *Snapshot) []Container {
	var missing []Container
	for _, container := range before.Containers {
		if indexOfContainer(now, container.Key()) < 0 {
			container.Unread.Gaps = slices.Clone(container.Unread.Gaps)
			AddGap(&container.Unread.Gaps, CauseUnfinished, "the scan was not finished")
			missing = append(missing, container)
		}
	}
	return missing
}

// keepProcesses takes over the processes that were known of a container, with what they refer to.
func keepProcesses(container, known *Container) {
	if len(container.Processes) > 0 && !isSeen(known) {
		return // What is known now is newer.
	}
	container.Processes, container.Credentials = known.Processes, known.Credentials
	container.UserNamespace, container.UserNamespaces = known.UserNamespace, known.UserNamespaces
	container.Mounts = known.Mounts
}

// containerOf returns the container of a snapshot with this key, or nil.
func containerOf(snapshot *Snapshot, key inventory.Key) *Container {
	if i := indexOfContainer(snapshot, key); i >= 0 {
		return &snapshot.Containers[i]
	}
	return nil
}

// indexOfContainer finds a container, or returns -1.
func indexOfContainer(snapshot *Snapshot, key inventory.Key) int {
	return slices.IndexFunc(snapshot.Containers, func(c Container) bool { return c.Key() == key })
}
