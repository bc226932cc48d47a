// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// maxRecorded caps the processes of all containers that a snapshot holds: about 250 bytes
// each.
const maxRecorded = 100_000

// builder builds the snapshot of one scan. Nothing else writes to it.
type builder struct {
	snap *snapshot.Snapshot
	// containers are those of the inventory, and those that only cgroups name.
	containers map[inventory.Key]*snapshot.Container
	recorded   int
}

func newBuilder(snap *snapshot.Snapshot, containers []inventory.Container) *builder {
	b := &builder{snap: snap, containers: make(map[inventory.Key]*snapshot.Container, len(containers))}
	for _, container := range containers {
		b.containers[container.Key()] = &snapshot.Container{Container: container}
	}
	return b
}

// container returns the container with this key, or nil.
func (b *builder) container(key inventory.Key) *snapshot.Container { return b.containers[key] }

// claim returns the container that a process was attributed to, or nil for none. One that
// only its cgroup names is added; what makes the attribution doubtful is noted.
func (b *builder) claim(pid int, found owner.Attribution) *snapshot.Container {
	switch found.Kind {
	case owner.Listed:
		return b.containers[found.Key]
	case owner.Contested:
		detail := fmt.Sprintf("process %d is in the cgroups of this and of another container", pid)
		b.unread(b.containers[found.Key], snapshot.CauseCgroup, detail)
		b.unread(b.containers[found.Rival], snapshot.CauseCgroup, detail)
		return b.containers[found.Key]
	case owner.Forged:
		b.unread(b.containers[found.Key], snapshot.CauseCgroup, fmt.Sprintf("process %d is in a cgroup that is named like this container's but is another", pid))
		return nil
	case owner.Unlisted:
		return b.byCgroup(found)
	default: // The host's.
		return nil
	}
}

func (b *builder) byCgroup(found owner.Attribution) *snapshot.Container {
	key := inventory.Key{ID: found.Ref.ID}
	container, ok := b.containers[key]
	if !ok {
		container = &snapshot.Container{Container: inventory.FromCgroup(found.Ref, b.noDeclaration())}
		b.containers[key] = container
	}
	return container
}

// noDeclaration returns why it is not known what a container outside the inventory declared.
func (b *builder) noDeclaration() string {
	switch b.snap.Inventory.Source {
	case inventory.FromCgroups:
		return "there is no containerd to ask"
	case inventory.FromMemory:
		return "containerd does not answer"
	}
	return "containerd does not know this container"
}

// unread notes what of a container was not seen.
func (b *builder) unread(container *snapshot.Container, cause snapshot.Cause, detail string) {
	snapshot.AddGap(&container.Unread.Gaps, cause, detail)
}

// gap notes a part of the node that was not seen.
func (b *builder) gap(cause snapshot.Cause, detail string) {
	snapshot.AddGap(&b.snap.Coverage.Gaps, cause, detail)
}

// explain adds a gap beyond the cap: why others are there, and what would help.
func (b *builder) explain(cause snapshot.Cause, detail string) {
	b.snap.Coverage.Gaps = append(b.snap.Coverage.Gaps, snapshot.Gap{Cause: cause, Detail: detail})
}

// count turns the outcome of a visit to a process into coverage. Only the context's end stops
// a walk.
func (b *builder) count(pid int, err error) error {
	switch {
	case err == nil:
	case errors.Is(err, nsinspect.ErrVanished):
		b.snap.Coverage.Vanished++
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, nsinspect.ErrCovered):
		b.gap(causeOf(err), oneLine(err))
	default:
		if errors.Is(err, nsinspect.ErrDenied) {
			b.snap.Coverage.Denied++
		}
		b.gap(causeOf(err), fmt.Sprintf("process %d: %s", pid, oneLine(err)))
	}
	return nil
}

// countThreads takes over how many threads of a container's process were read.
func (b *builder) countThreads(container *snapshot.Container, pid int, seen nsinspect.Survey) {
	if seen.Denied > 0 {
		b.snap.Coverage.Denied += seen.Denied
		b.unread(container, snapshot.CauseDenied, fmt.Sprintf("%d threads of process %d could not be read: permission denied", seen.Denied, pid))
	}
	if seen.Skipped > 0 {
		b.unread(container, snapshot.CauseLimit, fmt.Sprintf("it has more threads than one scan reads: %d of process %d are missing", seen.Skipped, pid))
	}
	if seen.Truncated {
		b.unread(container, snapshot.CauseLimit, fmt.Sprintf("the threads of process %d are in more namespaces than are counted", pid))
	}
	if seen.Ended {
		b.snap.Coverage.Vanished++
	}
}

// add adds a process to its container. It reports whether there was room: of those that share with
// the host, there is for more.
func (b *builder) add(container *snapshot.Container, record *snapshot.Process, shares bool) bool {
	own := len(container.Processes)
	full := own >= maxRecordedOfOne || own >= fewRecorded && b.recorded >= maxRecorded
	if full && (!shares || own >= maxRecordedOfOne+spareRecorded) {
		b.unread(container, snapshot.CauseLimit, "it has more processes than a snapshot holds")
		return false
	}
	b.recorded++
	container.Processes = append(container.Processes, *record)
	return true
}

// replace puts a newer record of a process in place of the one that is there.
func (b *builder) replace(container *snapshot.Container, record *snapshot.Process) {
	if i := indexOf(container, record.PID); i >= 0 {
		record.Left = record.Left || container.Processes[i].Left
		container.Processes[i] = *record
	} else {
		container.Processes = append(container.Processes, *record)
	}
}

// remove takes out a process that is in no namespace any more.
func (b *builder) remove(container *snapshot.Container, pid int) {
	container.Processes = slices.DeleteFunc(container.Processes, func(p snapshot.Process) bool { return p.PID == pid })
}

// indexOf finds the record of a process, or returns -1.
func indexOf(container *snapshot.Container, pid int) int {
	return slices.IndexFunc(container.Processes, func(p snapshot.Process) bool { return p.PID == pid })
}

// byPID returns the containers by their processes.
func (b *builder) byPID() map[int]*snapshot.Container {
	containers := make(map[int]*snapshot.Container)
	for _, container := range b.containers {
		for i := range container.Processes {
			containers[container.Processes[i].PID] = container
		}
	}
	return containers
}

// ids returns the IDs of the containers.
func (b *builder) ids() map[string]bool {
	ids := make(map[string]bool, len(b.containers))
	for key := range b.containers {
		ids[key.ID] = true
	}
	return ids
}

// sorted returns the containers in a stable order.
func (b *builder) sorted() []*snapshot.Container {
	containers := make([]*snapshot.Container, 0, len(b.containers))
	for _, container := range b.containers {
		containers = append(containers, container)
	}
	slices.SortFunc(containers, func(a, b *snapshot.Container) int { return a.Key().Compare(b.Key()) })
	return containers
}
