// SPDX-License-Identifier: Apache-2.0

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
)

// Bounds of asking again about single containers: most answers take a millisecond, that of
// a hung shim some seconds.
const (
	askAtOnce   = 8
	askDeadline = 20 * time.Second
)

// reconciler clears up where the runtime's lists and the processes disagree: a container that
// started or ended during the scan, a shim that does not answer, a container that the runtime
// does not know. Whatever stays open makes the container unknown.
type reconciler struct {
	node      *node
	builder   *builder
	inspector *inspector
	source    inventory.Source
	// places are the runtimes' namespaces that have containers, as keys without an ID: there a
	// container that only its cgroup names is looked up.
	places []inventory.Key
	// misplaced are the containers whose init process is not in their cgroup.
	misplaced map[inventory.Key]bool
}

func newReconciler(i *inspector, source inventory.Source, containers []inventory.Container, misplaced map[inventory.Key]bool) *reconciler {
	r := &reconciler{node: i.node, builder: i.builder, inspector: i, source: source, misplaced: misplaced}
	for i := range containers {
		place := containers[i].Key()
		place.ID = ""
		if !slices.Contains(r.places, place) {
			r.places = append(r.places, place)
		}
	}
	return r
}

// run asks about each disputed container.
func (r *reconciler) run(ctx context.Context) {
	if r.source == nil || r.builder.snap.Inventory.Source != inventory.FromContainerd {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askDeadline)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(askAtOnce)
	for _, container := range r.builder.sorted() {
		if !r.isDisputed(container) {
			continue
		}
		// Each call changes its own container only.
		group.Go(func() error {
			r.ask(ctx, container)
			return nil
		})
	}
	_ = group.Wait() // No member fails: what it could not learn makes its container unknown.
}

// isDisputed reports whether what the runtime listed does not fit the processes.
func (r *reconciler) isDisputed(container *snapshot.Container) bool {
	seen := len(container.Processes) > 0
	switch {
	case r.misplaced[container.Key()]:
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
func (r *reconciler) ask(ctx context.Context, container *snapshot.Container) {
	if container.RuntimeName == "" {
		r.identify(ctx, container)
		return
	}
	now, err := r.source.Get(ctx, container.Key())
	switch {
	case errors.Is(err, inventory.ErrNotFound):
		container.Status = inventory.NoTask // It was deleted during the scan.
		return
	case err != nil:
		r.builder.unread(container, snapshot.CauseRuntime, oneLine(err))
		return
	}
	listed := container.PID
	container.Status, container.PID = now.Status, now.PID
	if now.Status.Live() && r.misplaced[container.Key()] && now.PID == listed {
		r.builder.unread(container, snapshot.CauseCgroup, fmt.Sprintf("its init process, pid %d, is not in its cgroup", now.PID))
		return
	}
	r.compare(container)
}

// compare notes where what the runtime says now does not fit the processes.
func (r *reconciler) compare(container *snapshot.Container) {
	switch seen := len(container.Processes) > 0; {
	case container.Status == inventory.Unknown:
		r.builder.unread(container, snapshot.CauseRuntime, "its shim does not answer containerd, so its task is not known")
	case container.Status.Live() && !seen:
		r.builder.unread(container, snapshot.CauseRuntime, fmt.Sprintf("its init process, pid %d, is not visible in %s", container.PID, r.node.fs.Root()))
	case container.Status == inventory.NoTask && seen:
		r.builder.unread(container, snapshot.CauseRuntime, "containerd has no task of it, but processes are in its cgroup")
	}
}

// identify looks a container up that was started during the scan, after its list was made. One
// that the runtime does not know stays known by its cgroup.
func (r *reconciler) identify(ctx context.Context, container *snapshot.Container) {
	for _, key := range r.places {
		key.ID = container.ID
		found, err := r.source.Get(ctx, key)
		switch {
		case err == nil:
			container.Container = found
			r.inspector.identified(container)
			r.compare(container)
			return
		case !errors.Is(err, inventory.ErrNotFound):
			r.builder.unread(container, snapshot.CauseRuntime, oneLine(err))
			return
		}
	}
}
