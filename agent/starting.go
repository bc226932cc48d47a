package agent

import (
	"context"
	"slices"
	"time"
)

// runcInit is the name of runc's own process until the container's program takes its place.
// It is in the container's namespaces by then, so that what it shares is right, but
// containerd tells of a start a moment before its name is.
const runcInit = "runc:[2:INIT]"

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

// started takes over the name of a process unless it is still runc's. One that has ended
// keeps the name that it was seen with.
func (w *walk) started(s suspect) bool {
	name, err := s.process.Command()
	if err == nil && name == runcInit {
		return false
	}
	if i := indexOf(s.container, s.process.PID()); err == nil && i >= 0 {
		s.container.Processes[i].Command = name
	}
	s.process.Close()
	return true
}
