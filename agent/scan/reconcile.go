// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// askPauses are the times before each question about a container that the runtime and the processes
// do not agree about. The runtime learns later than the kernel that a container has ended, and tells
// of one that is being made only when that is done.
func askPauses() []time.Duration {
	return []time.Duration{0, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond}
}

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
	closer    *closer
}

func newReconciler(l *closer, source inventory.Source, containers []inventory.Container, misplaced map[inventory.Key]bool) *reconciler {
	r := &reconciler{node: l.node, builder: l.builder, inspector: l.inspector, source: source, misplaced: misplaced, closer: l}
	for i := range containers {
		place := containers[i].Key()
		place.ID = ""
		if !slices.Contains(r.places, place) {
			r.places = append(r.places, place)
		}
	}
	return r
}

// dispute is why what the runtime says of a container does not fit its processes.
type dispute struct {
	snapshot.Gap

	// final says that another question would bring nothing but a wait.
	final bool
}

func disputed(cause snapshot.Cause, format string, args ...any) *dispute {
	return &dispute{Gap: snapshot.Gap{Cause: cause, Detail: fmt.Sprintf(format, args...)}}
}

// run asks about each disputed container.
func (r *reconciler) run(ctx context.Context) {
	if r.source == nil || r.builder.snap.Inventory.Source != inventory.FromContainerd {
		return
	}
	asking, cancel := context.WithTimeout(ctx, askDeadline)
	defer cancel()
	open := make(map[*snapshot.Container]*dispute)
	for _, container := range r.builder.sorted() {
		if r.isDisputed(container) {
			open[container] = nil
		}
	}
	for _, wait := range askPauses() {
		if len(open) == 0 || pause(asking, wait) != nil {
			break
		}
		open = r.round(asking, open)
	}
	for container, why := range open {
		r.closer.stays(container, why)
	}
}

// round asks about each of the containers, and returns those that are still disputed, with why.
func (r *reconciler) round(ctx context.Context, open map[*snapshot.Container]*dispute) map[*snapshot.Container]*dispute {
	containers := slices.Collect(maps.Keys(open))
	disputes := make([]*dispute, len(containers))
	var group errgroup.Group
	group.SetLimit(askAtOnce)
	for i, container := range containers {
		// Each call changes its own container only.
		group.Go(func() error {
			disputes[i] = r.ask(ctx, container)
			return nil
		})
	}
	_ = group.Wait() // No member fails: what it could not learn makes its container unknown.
	still := make(map[*snapshot.Container]*dispute)
	for i, container := range containers {
		why := disputes[i]
		noTask := container.RuntimeName == "" || container.Status == inventory.NoTask
		switch {
		case noTask && len(container.Processes) > 0 && r.closer.suspect(ctx, container, why):
		case why == nil:
		case why.final || r.closer.runs(ctx, container.PID): // That its init process was not seen in it has another cause.
			r.closer.stays(container, why)
		default:
			still[container] = why
		}
	}
	return still
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

// ask asks about one disputed container, and returns why it is still disputed, or nil.
func (r *reconciler) ask(ctx context.Context, container *snapshot.Container) *dispute {
	if container.RuntimeName == "" {
		return r.identify(ctx, container)
	}
	now, err := r.source.Get(ctx, container.Key())
	switch {
	case errors.Is(err, inventory.ErrNotFound):
		container.Status = inventory.NoTask // It was deleted during the scan.
		return r.compare(container, container.PID)
	case err != nil:
		return &dispute{snapshot.Gap{Cause: snapshot.CauseRuntime, Detail: oneLine(err)}, true}
	}
	listed := container.PID
	container.Status, container.PID = now.Status, now.PID
	if r.misplaced[container.Key()] && (!now.Status.Live() || now.PID != listed) {
		r.disown(container)
	}
	return r.compare(container, listed)
}

// disown takes back the processes that rest on an init process which had ended: its pid was another's.
func (r *reconciler) disown(container *snapshot.Container) {
	container.Processes = slices.DeleteFunc(container.Processes, func(p snapshot.Process) bool { return p.Left })
}

// compare returns where what the runtime says now does not fit the processes. Listed is the pid of
// the container's init process before.
func (r *reconciler) compare(container *snapshot.Container, listed int) *dispute {
	seen := len(container.Processes) > 0
	switch {
	case container.Status == inventory.Unknown:
		why := disputed(snapshot.CauseRuntime, "its shim does not answer containerd, so its task is not known")
		why.final = true
		return why
	case container.Status == inventory.NoTask && seen:
		return disputed(snapshot.CauseRuntime, "containerd has no task of it, but processes are in its cgroup")
	case !container.Status.Live() || container.PID != listed:
		return nil // It has ended, or was started, since the processes were read.
	case r.misplaced[container.Key()] && indexOf(container, container.PID) < 0:
		return disputed(snapshot.CauseCgroup, "its init process, pid %d, is not in its cgroup", container.PID)
	case !seen:
		return disputed(snapshot.CauseRuntime, "its init process, pid %d, is not visible in %s", container.PID, r.node.fs.Root())
	}
	return nil
}

// identify looks a container up that was started during the scan, after its list was made. One
// that the runtime does not know stays known by its cgroup.
func (r *reconciler) identify(ctx context.Context, container *snapshot.Container) *dispute {
	for _, key := range r.places {
		key.ID = container.ID
		found, err := r.source.Get(ctx, key)
		switch {
		case err == nil:
			container.Container = found
			r.inspector.identified(container)
			return r.compare(container, found.PID)
		case !errors.Is(err, inventory.ErrNotFound):
			return &dispute{snapshot.Gap{Cause: snapshot.CauseRuntime, Detail: oneLine(err)}, true}
		}
	}
	return nil
}
