package snapshot

import (
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// mergeFull joins what is known of a node with what a full scan saw. Not seen is not gone:
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
		if notSeen(container) {
			container.Processes = processesOf(before, container.Key())
		}
		keepPorts(container, before, now.Ports)
	}
	if now.Ports == nil {
		merged.Ports = before.Ports
	}
	if unfinished(now.Coverage.Gaps) {
		merged.Containers = append(merged.Containers, notReached(before, now)...)
	}
	return &merged
}

// mergeTargeted replaces the containers that a targeted scan asked about.
func MergeTargeted(before, now *Snapshot, asked []inventory.Key) *Snapshot {
	merged := *before
	merged.Containers = slices.DeleteFunc(slices.Clone(before.Containers), func(container Container) bool {
		if indexOfContainer(now, container.Key()) >= 0 || container.RuntimeNamespace == "" && identified(now, container.ID) {
			return true
		}
		return slices.Contains(asked, container.Key()) && len(now.Coverage.Gaps) == 0
	})
	for _, container := range now.Containers {
		keepPorts(&container, before, now.Ports)
		merged.Containers = append(merged.Containers, container)
	}
	return &merged
}

// keepPorts completes what a scan could not see of a container's ports by what was known of
// them.
func keepPorts(container *Container, before *Snapshot, seen *PortCoverage) {
	i := indexOfContainer(before, container.Key())
	if i < 0 || before.Ports == nil {
		return
	}
	known := &before.Containers[i]
	if seen == nil {
		container.Sockets, container.Forwards = known.Sockets, known.Forwards
		container.Age = max(container.Age, known.Age)
		return
	}
	for _, socket := range known.Sockets {
		if _, unseen := seen.NoSockets[socket.Protocol]; unseen && !slices.ContainsFunc(container.Sockets, func(s Socket) bool { return s.Socket == socket.Socket }) {
			container.Sockets = append(container.Sockets, socket)
		}
	}
	for _, forward := range known.Forwards {
		if len(seen.NoForwards) > 0 && !slices.ContainsFunc(container.Forwards, func(f Forward) bool { return f.Forward == forward.Forward }) {
			container.Forwards = append(container.Forwards, forward)
		}
	}
}

// identified says whether a container that was known by its cgroup only has a name now.
func identified(now *Snapshot, id string) bool {
	return slices.ContainsFunc(now.Containers, func(c Container) bool { return c.ID == id })
}

// notSeen says whether a scan saw nothing of a container because something went wrong.
func notSeen(container *Container) bool {
	return len(container.Processes) == 0 && slices.ContainsFunc(container.Unknown, func(gap Gap) bool {
		switch gap.Cause {
		case CauseDenied, CauseRead, CauseLimit, CauseUnfinished:
			return true
		default: // Its processes were looked for, and there were none.
			return false
		}
	})
}

func unfinished(gaps []Gap) bool {
	return slices.ContainsFunc(gaps, func(gap Gap) bool { return gap.Cause == CauseUnfinished })
}

// notReached returns the containers that an unfinished scan did not come to, marked so.
func notReached(before, now *Snapshot) []Container {
	var missing []Container
	for _, container := range before.Containers {
		if indexOfContainer(now, container.Key()) < 0 {
			container.Unknown = slices.Clone(container.Unknown)
			AddGap(&container.Unknown, CauseUnfinished, "the scan was not finished")
			missing = append(missing, container)
		}
	}
	return missing
}

func processesOf(snapshot *Snapshot, key inventory.Key) []Process {
	if i := indexOfContainer(snapshot, key); i >= 0 {
		return snapshot.Containers[i].Processes
	}
	return nil
}

// indexOfContainer finds a container, or returns -1.
func indexOfContainer(snapshot *Snapshot, key inventory.Key) int {
	return slices.IndexFunc(snapshot.Containers, func(c Container) bool { return c.Key() == key })
}
