package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

// maxSuspects caps the handles that are kept open for the second look, of suspects and of
// processes that have just started each. Those beyond it are reported without one.
const maxSuspects = 512

// suspect is a process that is looked at again, kept open: mostly one that shares what its
// container did not declare.
type suspect struct {
	process   *nsinspect.Process
	container *snapshot.Container
}

// undeclared returns the kinds of namespaces that a process shares with the host though its
// container did not declare it.
func (w *walk) undeclared(container *snapshot.Container, record *snapshot.Process) []nsinspect.Kind {
	var kinds []nsinspect.Kind
	for _, kind := range w.kinds {
		if w.sharesKind(record, kind) && !slices.Contains(container.Declared.Host, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// maxRounds is how often containers are looked at in whose cgroup somebody was passing
// through. A runtime is seen at it once in a while; somebody who keeps coming and going is
// seen each time.
const maxRounds = 3

// confirm looks at the suspects again, after a while and through the same handles. Those
// that have gone, or have left the host's namespaces, were passing through. Where that
// happens time and again, the container is unknown.
func (w *walk) confirm(ctx context.Context, settle time.Duration) error {
	for round := 1; ; round++ {
		if err := pause(ctx, settle); err != nil {
			return err
		}
		if err := w.awaitRuntimes(ctx, settle); err != nil {
			return err
		}
		passing := w.passing(ctx)
		if len(passing) == 0 {
			return ctx.Err()
		}
		if round == maxRounds {
			for container := range passing {
				w.unknownIn(container, snapshot.CauseUnsettled, fmt.Sprintf("processes of it were in a namespace of the host in each of %d looks, though none for as long as %s", maxRounds, settle))
			}
			return ctx.Err()
		}
		if err := w.suspectsAmong(ctx, passing); err != nil {
			return err
		}
	}
}

// passing looks at all suspects again, and returns the containers of which some were passing
// through a kind of namespace that no other process of the container stays in.
func (w *walk) passing(ctx context.Context) map[*snapshot.Container]bool {
	left := make(map[*snapshot.Container][]nsinspect.Kind)
	for _, suspect := range w.suspects {
		left[suspect.container] = append(left[suspect.container], w.lookAgain(ctx, suspect)...)
		suspect.process.Close()
	}
	w.suspects = w.suspects[:0]
	passing := make(map[*snapshot.Container]bool)
	for container, kinds := range left {
		for _, kind := range kinds {
			stays := slices.ContainsFunc(container.Processes, func(p snapshot.Process) bool { return w.sharesKind(&p, kind) })
			if !stays {
				passing[container] = true
			}
		}
	}
	return passing
}

func pause(ctx context.Context, settle time.Duration) error {
	select {
	case <-time.After(settle):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// suspectsAmong walks the processes again for the sake of a few containers, and records who
// is a suspect now.
func (w *walk) suspectsAmong(ctx context.Context, containers map[*snapshot.Container]bool) error {
	return w.each(ctx, func(pid int) error {
		process, err := w.fs.Open(pid)
		if err != nil {
			return nil //nolint:nilerr // It has ended: the first walk has counted what can't be opened.
		}
		if !w.suspectAmong(ctx, process, containers) {
			process.Close()
		}
		return nil
	})
}

// suspectAmong says whether a process is a suspect of one of the containers; it is then kept
// open.
func (w *walk) suspectAmong(ctx context.Context, process *nsinspect.Process, containers map[*snapshot.Container]bool) bool {
	entries, err := cgroup.ReadLive(ctx, process)
	if err != nil {
		return false
	}
	container := w.containerOf(process.PID(), entries)
	if container == nil || !containers[container] {
		return false
	}
	seen, err := process.Survey(ctx, w.kinds)
	if err != nil {
		return false
	}
	record := w.record(process, seen.Groups)
	if record == nil || len(w.undeclared(container, record)) == 0 || len(w.suspects) == maxSuspects {
		return false
	}
	if i := indexOf(container, record.PID); i >= 0 {
		container.Processes[i] = *record
	} else {
		container.Processes = append(container.Processes, *record)
	}
	w.suspects = append(w.suspects, suspect{process, container})
	return true
}

// lookAgain returns the kinds of the host's namespaces that a suspect was in and is no more.
// Where the second look fails, the first stands.
func (w *walk) lookAgain(ctx context.Context, suspect suspect) []nsinspect.Kind {
	seen, err := suspect.process.Survey(ctx, w.kinds)
	if seen.Denied > 0 || err != nil && !errors.Is(err, nsinspect.ErrVanished) {
		return nil
	}
	container := suspect.container
	i := indexOf(container, suspect.process.PID())
	if i < 0 {
		return nil // Its pid was given out again within one walk, and the other is gone.
	}
	before := w.undeclared(container, &container.Processes[i])
	record := w.record(suspect.process, seen.Groups)
	if record == nil {
		container.Processes = slices.Delete(container.Processes, i, i+1)
		w.snap.Coverage.Transient++
		return before
	}
	container.Processes[i] = *record
	after := w.undeclared(container, record)
	left := slices.DeleteFunc(before, func(kind nsinspect.Kind) bool { return slices.Contains(after, kind) })
	if len(left) > 0 {
		w.snap.Coverage.Transient++
	}
	return left
}

// indexOf finds the record of a process, or returns -1.
func indexOf(container *snapshot.Container, pid int) int {
	return slices.IndexFunc(container.Processes, func(p snapshot.Process) bool { return p.PID == pid })
}
