package scan

import (
	"errors"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// unknown notes why a container was not fully seen.
func (w *walk) unknown(key inventory.Key, cause snapshot.Cause, reason string) {
	w.unknownIn(w.containers[key], cause, reason)
}

func (w *walk) unknownIn(container *snapshot.Container, cause snapshot.Cause, reason string) {
	snapshot.AddGap(&container.Unread.Gaps, cause, reason)
}

// gap notes a part of the node that was not seen.
func (w *walk) gap(cause snapshot.Cause, reason string) {
	snapshot.AddGap(&w.snap.Coverage.Gaps, cause, reason)
}

// causeOf classifies an error of a read.
func causeOf(err error) snapshot.Cause {
	switch {
	case errors.Is(err, nsinspect.ErrDenied):
		return snapshot.CauseDenied
	case errors.Is(err, nsinspect.ErrTooLarge):
		return snapshot.CauseLimit
	}
	return snapshot.CauseRead
}

// interrupt notes that the walk ended before its time: no container was fully seen.
func (w *walk) interrupt(err error) {
	w.gap(snapshot.CauseUnfinished, "the scan was not finished: "+oneLine(err))
	w.snap.Ports = nil // Nothing follows from what is missing.
	for _, container := range w.containers {
		if container.Status.Live() || len(container.Processes) > 0 {
			w.unknownIn(container, snapshot.CauseUnfinished, "the scan was not finished")
		}
	}
}

// oneLine joins the lines of a joined error.
func oneLine(err error) string {
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
