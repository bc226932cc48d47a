// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// interrupt notes that the scan ended before its time: no container was fully seen.
func (b *builder) interrupt(err error) {
	b.gap(snapshot.CauseUnfinished, "the scan was not finished: "+oneLine(err))
	b.snap.Ports = nil // Its counters stopped somewhere.
	for _, container := range b.containers {
		if container.Status.Live() || len(container.Processes) > 0 {
			b.unread(container, snapshot.CauseUnfinished, "the scan was not finished")
		}
	}
}

// finish puts the containers into the snapshot: those with processes, and those of which
// something is unknown. The others were not running: those of them that have ended are a part of
// what their pod is.
func (b *builder) finish() {
	b.snap.Containers, b.snap.Ended = nil, nil
	for _, container := range b.sorted() {
		if len(container.Processes) == 0 && len(container.Unread.Gaps) == 0 && len(container.Sightings) == 0 {
			if container.Pod != nil && !container.Sandbox && !container.Status.Live() {
				b.snap.Ended = append(b.snap.Ended, container.Container)
			}
			continue
		}
		b.markPorts(&container.Unread)
		b.snap.Containers = append(b.snap.Containers, *container)
		for _, process := range container.Processes {
			for _, group := range process.Groups {
				b.snap.Coverage.Threads += group.Threads
			}
		}
	}
}

// markPorts writes to a container what of its ports was not seen.
func (b *builder) markPorts(unread *snapshot.Unread) {
	switch {
	case b.snap.Host.Reference == nsinspect.ByNone:
		snapshot.MarkUnread(unread, snapshot.Gap{Cause: snapshot.CauseHost, Detail: "there is no host reference"})
	case b.snap.Ports == nil:
		snapshot.MarkUnread(unread, snapshot.Gap{Cause: snapshot.CauseUnfinished, Detail: "the scan was not finished"})
	default:
		b.snap.Ports.Mark(unread)
	}
}
