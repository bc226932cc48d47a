// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
)

// patience is how long a process with the name of a runtime's own may take to leave the
// host's namespaces. On a node that is busy with something else, runc was seen to take more
// than a second from entering a container's cgroup. A process that gives itself such a name
// is found that much later.
const patience = 5 * time.Second

// awaitRuntimes waits until no suspect is a runtime's own process, by its name, that has yet
// to leave the host's namespaces.
func (s *settler) awaitRuntimes(ctx context.Context) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		entering := slices.ContainsFunc(s.suspects, func(suspect suspect) bool { return s.isEntering(ctx, suspect) })
		if !entering {
			break
		}
		if err := pause(ctx, max(s.settle, startPause)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// isEntering reports whether a suspect is young, has the name of a runtime's own, and still has what
// a runtime enters with: something of the host's, or capabilities that the container was not given.
// A program of the container has that name by choice; to run as root it takes no more than a setuid
// file, for which no scan waits.
func (s *settler) isEntering(ctx context.Context, suspect suspect) bool {
	command, err := suspect.process.Command()
	if err != nil || !runtimes.IsEntering(command) {
		return false
	}
	if age, err := suspect.process.Age(); err == nil && age > patience {
		return false
	}
	found, err := s.inspector.inspect(ctx, suspect.process, suspect.container, nil)
	if err != nil || found.record == nil {
		return false
	}
	for _, ways := range found.weak {
		if ways.Has(inventory.MoreCapabilities) {
			return true
		}
	}
	return isEntering(found.record) || len(s.node.undeclared(suspect.container, found.record)) > 0
}

// startPause is the time between looks at a name: a program takes over within a few
// milliseconds on a node that is not busy.
const startPause = 5 * time.Millisecond

// awaitPrograms waits until processes that have just started have the name of their
// container's program. One that keeps the name for long is reported by it: a container that
// was created and not started, or a process that chose that name.
func (s *settler) awaitPrograms(ctx context.Context) error {
	for deadline := time.Now().Add(s.settle); len(s.starting) > 0 && time.Now().Before(deadline); {
		if err := pause(ctx, startPause); err != nil {
			return err
		}
		s.starting = slices.DeleteFunc(s.starting, s.started)
	}
	return nil
}

// started takes over the name of a process unless it is still the runtime's. One that has ended
// keeps the name that it was seen with.
func (s *settler) started(suspect suspect) bool {
	name, err := suspect.process.Command()
	if err == nil && runtimes.IsInit(name) {
		return false
	}
	if i := indexOf(suspect.container, suspect.process.PID()); err == nil && i >= 0 {
		suspect.container.Processes[i].Command = name
	}
	suspect.process.Close()
	return true
}
