package scan

import (
	"context"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/runtimes"
)

// patience is how long a process with the name of a runtime's own may take to leave the
// host's namespaces. On a node that is busy with something else, runc was seen to take more
// than a second from entering a container's cgroup. Whoever gives itself such a name is
// found that much later.
const patience = 5 * time.Second

// awaitRuntimes waits until no suspect is a runtime's own process, by its name, that has yet
// to leave the host's namespaces.
func (w *walk) awaitRuntimes(ctx context.Context, settle time.Duration) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		entering := slices.ContainsFunc(w.suspects, func(s suspect) bool { return w.isEntering(ctx, s) })
		if !entering {
			break
		}
		if err := pause(ctx, max(settle, startPause)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// isEntering says whether a suspect is young, has the name of a runtime's own and still shares
// what its container did not declare.
func (w *walk) isEntering(ctx context.Context, s suspect) bool {
	command, err := s.process.Command()
	if err != nil || !runtimes.IsEntering(command) {
		return false
	}
	if age, err := s.process.Age(); err == nil && age > patience {
		return false
	}
	seen, err := s.process.Survey(ctx, w.kinds)
	if err != nil {
		return false
	}
	record := w.record(s.process, seen.Groups)
	return record != nil && len(w.undeclared(s.container, record)) > 0
}

// startPause is the time between looks at a name: a program takes over within a few
// milliseconds on a node that is not busy.
const startPause = 5 * time.Millisecond

// awaitPrograms waits until processes that have just started have the name of their
// container's program. One that keeps the name for long is reported by it: a container that
// was created and not started, or whoever chose that name.
func (w *walk) awaitPrograms(ctx context.Context, settle time.Duration) error {
	for deadline := time.Now().Add(settle); len(w.starting) > 0 && time.Now().Before(deadline); {
		if err := pause(ctx, startPause); err != nil {
			return err
		}
		w.starting = slices.DeleteFunc(w.starting, w.started)
	}
	return nil
}

// started takes over the name of a process unless it is still the runtime's. One that has ended
// keeps the name that it was seen with.
func (w *walk) started(s suspect) bool {
	name, err := s.process.Command()
	if err == nil && runtimes.IsInit(name) {
		return false
	}
	if i := indexOf(s.container, s.process.PID()); err == nil && i >= 0 {
		s.container.Processes[i].Command = name
	}
	s.process.Close()
	return true
}
