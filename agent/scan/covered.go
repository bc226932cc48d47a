// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// findCovered looks for processes that were covered while the scan read them: what was read may be by
// whoever did it.
func (b *builder) findCovered(fs *nsinspect.FS) {
	found, err := fs.FindCovered()
	if err != nil {
		b.gap(snapshot.CauseRead, oneLine(err))
	}
	if len(found) == 0 {
		return
	}
	owners := b.byPID()
	for _, container := range b.containers {
		if container.PID > 0 && container.Status.Live() {
			owners[container.PID] = container
		}
	}
	for pid, err := range found {
		b.gap(snapshot.CauseRead, oneLine(err))
		if container := owners[pid]; container != nil {
			b.unread(container, snapshot.CauseRead, oneLine(err))
		}
	}
}
