package agent

import (
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
)

// maxReasons caps the reasons that one container, or the node, gives for being unknown.
const maxReasons = 16

// unknown notes why a container was not fully seen.
func (w *walk) unknown(key inventory.Key, reason string) {
	w.unknownIn(w.containers[key], reason)
}

func (w *walk) unknownIn(container *audit.Container, reason string) {
	switch n := len(container.Unknown); {
	case slices.Contains(container.Unknown, reason):
	case n < maxReasons:
		container.Unknown = append(container.Unknown, reason)
	case n == maxReasons:
		container.Unknown = append(container.Unknown, "and more")
	}
}

// interrupt notes that the walk ended before its time: no container was fully seen.
func (w *walk) interrupt(err error) {
	w.gap("the scan was not finished: " + oneLine(err))
	for _, container := range w.containers {
		if container.Status.Live() || len(container.Processes) > 0 {
			w.unknownIn(container, "the scan was not finished")
		}
	}
}

// gap notes a part of the node that was not seen.
func (w *walk) gap(reason string) {
	gaps := &w.snapshot.Coverage.Gaps
	switch n := len(*gaps); {
	case n < maxReasons:
		*gaps = append(*gaps, reason)
	case n == maxReasons:
		*gaps = append(*gaps, "and more")
	}
}

// oneLine joins the lines of a joined error.
func oneLine(err error) string {
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
