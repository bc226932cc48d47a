// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// maxSuspects caps the handles that are kept open for the second look, of suspects and of
// processes that have just started each. Those beyond it are reported without one.
const maxSuspects = 512

// maxRounds limits how often a container is looked at again after transient processes were
// seen in its cgroup. A runtime is rarely seen at it; a process that keeps coming and going is
// seen each time.
const maxRounds = 3

// settler looks again, after a while, at what a first look does not settle: processes that
// share what their container did not declare, and processes that are still the runtime's.
type settler struct {
	node    *node
	builder *builder
	// settle is how long undeclared sharing has to last.
	settle   time.Duration
	suspects []suspect
	// starting are processes that are still running as the runtime's init.
	starting []suspect
}

// suspect is a process that is looked at again, kept open.
type suspect struct {
	process   *nsinspect.Process
	container *snapshot.Container
}

func newSettler(n *node, b *builder, settle time.Duration) *settler {
	return &settler{node: n, builder: b, settle: settle}
}

// close releases the processes that are still open.
func (s *settler) close() {
	for _, suspect := range slices.Concat(s.suspects, s.starting) {
		suspect.process.Close()
	}
}

// keep takes over a process that is to be looked at again. It reports whether it did; the
// process is then the settler's to close.
func (s *settler) keep(process *nsinspect.Process, container *snapshot.Container, record *snapshot.Process) bool {
	again := suspect{process, container}
	switch {
	case len(s.node.undeclared(container, record)) > 0 && len(s.suspects) < maxSuspects:
		s.suspects = append(s.suspects, again)
	case runtimes.IsInit(record.Command) && len(s.starting) < maxSuspects:
		s.starting = append(s.starting, again)
	default:
		return false
	}
	return true
}

// confirm looks at the suspects again, after a while and through the same handles. Those
// that have gone, or have left the host's namespaces, were transient. Where that happens in
// each of several rounds, the container is unknown.
func (s *settler) confirm(ctx context.Context) error {
	for round := 1; len(s.suspects) > 0; round++ {
		if err := pause(ctx, s.settle); err != nil {
			return err
		}
		if err := s.awaitRuntimes(ctx); err != nil {
			return err
		}
		left := s.transient(ctx)
		if len(left) == 0 {
			break
		}
		if round == maxRounds {
			for container := range left {
				s.builder.unread(container, snapshot.CauseUnsettled, fmt.Sprintf("processes of it were in a namespace of the host in each of %d looks, though none for as long as %s", maxRounds, s.settle))
			}
			break
		}
		if err := s.suspectsAmong(ctx, left); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// transient looks at all suspects again, and returns the containers of which some have left a
// kind of namespace that no other process of the container stays in.
func (s *settler) transient(ctx context.Context) map[*snapshot.Container]bool {
	left := make(map[*snapshot.Container][]nsinspect.Kind)
	for _, suspect := range s.suspects {
		left[suspect.container] = append(left[suspect.container], s.lookAgain(ctx, suspect)...)
		suspect.process.Close()
	}
	s.suspects = s.suspects[:0]
	transient := make(map[*snapshot.Container]bool)
	for container, kinds := range left {
		for _, kind := range kinds {
			stays := slices.ContainsFunc(container.Processes, func(p snapshot.Process) bool { return s.node.sharesKind(&p, kind) })
			if !stays {
				transient[container] = true
			}
		}
	}
	return transient
}

// lookAgain returns the kinds of the host's namespaces that a suspect was in and is no more.
// Where the second look fails, the first stands.
func (s *settler) lookAgain(ctx context.Context, suspect suspect) []nsinspect.Kind {
	seen, err := suspect.process.Survey(ctx, s.node.kinds)
	if seen.Denied > 0 || err != nil && !errors.Is(err, nsinspect.ErrVanished) {
		return nil
	}
	container := suspect.container
	i := indexOf(container, suspect.process.PID())
	if i < 0 {
		return nil // Its pid was given out again within one walk, and the other is gone.
	}
	before := s.node.undeclared(container, &container.Processes[i])
	record := s.node.record(suspect.process, seen.Groups)
	if record == nil {
		s.builder.remove(container, suspect.process.PID())
		s.builder.snap.Coverage.Transient++
		return before
	}
	s.builder.replace(container, record)
	after := s.node.undeclared(container, record)
	left := slices.DeleteFunc(before, func(kind nsinspect.Kind) bool { return slices.Contains(after, kind) })
	if len(left) > 0 {
		s.builder.snap.Coverage.Transient++
	}
	return left
}

// suspectsAmong walks the processes again for the sake of a few containers, and keeps those
// that are suspects now.
func (s *settler) suspectsAmong(ctx context.Context, containers map[*snapshot.Container]bool) error {
	return s.node.each(ctx, func(pid int) error {
		process, err := s.node.fs.Open(pid)
		if err != nil {
			return nil //nolint:nilerr // It has ended: the first walk has counted what can't be opened.
		}
		if !s.suspectAmong(ctx, process, containers) {
			process.Close()
		}
		return nil
	})
}

// suspectAmong reports whether a process is a suspect of one of the containers; it is then
// kept open.
func (s *settler) suspectAmong(ctx context.Context, process *nsinspect.Process, containers map[*snapshot.Container]bool) bool {
	container, err := owned(ctx, s.node, s.builder, process)
	if err != nil || container == nil || !containers[container] {
		return false
	}
	seen, err := process.Survey(ctx, s.node.kinds)
	if err != nil {
		return false
	}
	record := s.node.record(process, seen.Groups)
	if record == nil || len(s.node.undeclared(container, record)) == 0 || len(s.suspects) == maxSuspects {
		return false
	}
	s.builder.replace(container, record)
	s.suspects = append(s.suspects, suspect{process, container})
	return true
}

func pause(ctx context.Context, settle time.Duration) error {
	select {
	case <-time.After(settle):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
