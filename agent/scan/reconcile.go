package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// Bounds of asking again about single containers: most answers take a millisecond, that of
// a hung shim some seconds.
const (
	askAtOnce   = 8
	askDeadline = 20 * time.Second
)

// reconcile clears up where containerd's lists and the processes disagree: a container that
// started or ended during the scan, a shim that does not answer, a container that
// containerd does not know. Whatever stays open makes the container unknown.
func (w *walk) reconcile(ctx context.Context, source inventory.Source) {
	if source == nil || w.snap.Inventory.Source != inventory.FromContainerd {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askDeadline)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(askAtOnce)
	places := w.runtimeNamespaces()
	for _, container := range w.sorted() {
		if !w.disputed(container) {
			continue
		}
		// Each call changes its own container only.
		group.Go(func() error {
			w.ask(ctx, source, container, places)
			return nil
		})
	}
	_ = group.Wait() // No member fails: what it could not learn makes its container unknown.
}

// disputed says whether what containerd listed does not fit the processes.
func (w *walk) disputed(container *snapshot.Container) bool {
	seen := len(container.Processes) > 0
	switch {
	case w.misplaced[container.Key()]:
		return true
	case container.RuntimeName == "":
		return true // Known by its cgroup only.
	case container.Status == inventory.Unknown:
		return true
	case container.Status == inventory.Stopped:
		return false // What outlives an init process is judged as it is.
	default:
		return container.Status.Live() != seen
	}
}

// ask settles one disputed container.
func (w *walk) ask(ctx context.Context, source inventory.Source, container *snapshot.Container, places []inventory.Key) {
	if container.RuntimeName == "" {
		w.adopt(ctx, source, container, places)
		return
	}
	now, err := source.Get(ctx, container.Key())
	switch {
	case errors.Is(err, inventory.ErrNotFound):
		container.Status = inventory.NoTask // It was deleted during the scan.
		return
	case err != nil:
		w.unknownIn(container, snapshot.CauseRuntime, oneLine(err))
		return
	}
	listed := container.PID
	container.Status, container.PID = now.Status, now.PID
	if now.Status.Live() && w.misplaced[container.Key()] && now.PID == listed {
		w.unknownIn(container, snapshot.CauseCgroup, fmt.Sprintf("its init process, pid %d, is not in its cgroup", now.PID))
		return
	}
	w.compare(container)
}

// compare notes where what containerd says now does not fit the processes.
func (w *walk) compare(container *snapshot.Container) {
	switch seen := len(container.Processes) > 0; {
	case container.Status == inventory.Unknown:
		w.unknownIn(container, snapshot.CauseRuntime, "its shim does not answer containerd, so its task is not known")
	case container.Status.Live() && !seen:
		w.unknownIn(container, snapshot.CauseRuntime, fmt.Sprintf("its init process, pid %d, is not visible in %s", container.PID, w.fs.Root()))
	case container.Status == inventory.NoTask && seen:
		w.unknownIn(container, snapshot.CauseRuntime, "containerd has no task of it, but processes are in its cgroup")
	}
}

// adopt looks a container up that was started during the scan, after its list was made. One
// that containerd does not know stays known by its cgroup.
func (w *walk) adopt(ctx context.Context, source inventory.Source, container *snapshot.Container, places []inventory.Key) {
	for _, key := range places {
		key.ID = container.ID
		found, err := source.Get(ctx, key)
		switch {
		case err == nil:
			container.Container = found
			w.compare(container)
			return
		case !errors.Is(err, inventory.ErrNotFound):
			w.unknownIn(container, snapshot.CauseRuntime, oneLine(err))
			return
		}
	}
}

// runtimeNamespaces lists the runtimes' namespaces that have containers, as keys without an
// ID.
func (w *walk) runtimeNamespaces() []inventory.Key {
	var places []inventory.Key
	for i := range w.listed {
		place := w.listed[i].Key()
		place.ID = ""
		if !slices.Contains(places, place) {
			places = append(places, place)
		}
	}
	return places
}

// sorted returns the containers in a stable order.
func (w *walk) sorted() []*snapshot.Container {
	containers := make([]*snapshot.Container, 0, len(w.containers))
	for _, container := range w.containers {
		containers = append(containers, container)
	}
	slices.SortFunc(containers, func(a, b *snapshot.Container) int {
		return a.Key().Compare(b.Key())
	})
	return containers
}

// finish puts the containers into the snapshot: those with processes, and those of which
// something is unknown. The others were not running.
func (w *walk) finish() {
	w.snap.Containers = nil
	for _, container := range w.sorted() {
		if len(container.Processes) == 0 && len(container.Unread.Gaps) == 0 {
			continue
		}
		w.markPorts(&container.Unread)
		w.snap.Containers = append(w.snap.Containers, *container)
		for _, process := range container.Processes {
			for _, group := range process.Groups {
				w.snap.Coverage.Threads += group.Threads
			}
		}
	}
}

// markPorts writes to a container what of its ports was not seen.
func (w *walk) markPorts(unread *snapshot.Unread) {
	switch {
	case w.snap.Host.Reference == nsinspect.ByNone:
	case w.snap.Ports == nil:
		snapshot.MarkUnfinished(unread)
	default:
		w.snap.Ports.Mark(unread)
	}
}
