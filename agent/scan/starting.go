// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// awaitRuntimes waits until no suspect is a runtime's own process that has yet to leave the host's
// namespaces: in one scan no longer than one of them may take.
func (s *settler) awaitRuntimes(ctx context.Context) error {
	for time.Now().Before(s.deadline) {
		if !slices.ContainsFunc(s.suspects, func(suspect *suspect) bool { return s.isArriving(ctx, suspect) }) {
			break
		}
		if err := pause(ctx, max(s.settle, startPause)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// isArriving reports whether a suspect is a runtime's process and still has what a runtime enters with:
// something of the host's, or capabilities that the container was not given.
func (s *settler) isArriving(ctx context.Context, suspect *suspect) bool {
	arrivals := &s.inspector.arrivals
	enters := arrivals.of(suspect.process) == arriving
	if !enters && !arrivals.isStarting(suspect.process, suspect.container) {
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
	return enters && (found.record.HostRoot || len(s.node.undeclared(suspect.container, found.record)) > 0)
}

// giveUp leaves a container unknown of which a runtime's process did not arrive in time.
func (s *settler) giveUp(suspect *suspect) {
	pid := suspect.process.PID()
	s.builder.remove(suspect.container, pid)
	s.builder.unread(suspect.container, snapshot.CauseUnsettled, fmt.Sprintf("the runtime was still starting process %d of it after %s", pid, patience))
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
func (s *settler) started(suspect *suspect) bool {
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
