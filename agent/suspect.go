package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// maxSuspects caps the handles that are kept open for the second look. Suspects beyond it
// are reported without one.
const maxSuspects = 512

// suspect is a process that shares what its container did not declare, kept open.
type suspect struct {
	process   *nsinspect.Process
	container *audit.Container
}

// suspicious says whether a process shares a namespace that its container did not declare.
func (w *walk) suspicious(container *audit.Container, record *audit.Process) bool {
	return slices.ContainsFunc(w.kinds, func(kind nsinspect.Kind) bool {
		return w.sharesKind(record, kind) && !slices.Contains(container.Declared.Host, kind)
	})
}

func (w *walk) hasSuspects() bool { return len(w.suspects) > 0 }

// confirm looks at the suspects again, after a while and through the same handles. Those
// that have gone, or have left the host's namespaces, were passing through.
func (w *walk) confirm(ctx context.Context, settle time.Duration) error {
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, suspect := range w.suspects {
		if err := w.lookAgain(ctx, suspect); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) lookAgain(ctx context.Context, suspect suspect) error {
	seen, err := suspect.process.Survey(ctx, w.kinds)
	if err == nil && seen.Denied > 0 {
		return nil // The first look stands.
	}
	var record *audit.Process
	if err == nil {
		record, err = w.record(suspect.process, seen.Groups)
	}
	if err != nil && !errors.Is(err, nsinspect.ErrVanished) {
		return err
	}
	w.replace(suspect, record)
	return nil
}

// replace puts the second look in the place of the first.
func (w *walk) replace(suspect suspect, record *audit.Process) {
	processes := suspect.container.Processes
	i := slices.IndexFunc(processes, func(p audit.Process) bool { return p.PID == suspect.process.PID() })
	if record == nil {
		w.snapshot.Coverage.Transient++
		suspect.container.Processes = slices.Delete(processes, i, i+1)
		return
	}
	if !w.suspicious(suspect.container, record) {
		w.snapshot.Coverage.Transient++
	}
	processes[i] = *record
}
