// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

const (
	// maxSuspects caps the handles that are kept open for the second look, of suspects and of
	// processes that have just started each. One container has at most maxSuspectsOfOne, and
	// each has fewSuspects whatever the others have.
	maxSuspects      = 512
	maxSuspectsOfOne = 64
	fewSuspects      = 4
	// spareSuspects is what suspects that share something of the host may take beyond the caps.
	spareSuspects = 64
	// againReadings is how often credentials are read again before the process is looked at for
	// the last time: the kernel does not show them as they were in one moment.
	againReadings = 2
)

// maxRounds limits how often a container is looked at again after transient processes were
// seen in its cgroup. A runtime is rarely seen at it; a process that keeps coming and going is
// seen each time.
const maxRounds = 3

// settler looks again, after a while, at what a first look does not settle: processes that
// share what their container did not declare or are weaker than it was to be, and processes that
// are still the runtime's.
type settler struct {
	node      *node
	builder   *builder
	inspector *inspector
	// settle is how long what was not declared has to last.
	settle   time.Duration
	suspects []suspect
	// starting are processes that are still running as the runtime's init.
	starting []suspect
	// kept counts the handles that are kept open, by container.
	kept map[*snapshot.Container]int
	// deadline is until when runtimes are waited for; zero before the first was.
	deadline time.Time
	// unlooked are the ways in which processes look weaker that there was no room for.
	unlooked map[*snapshot.Container]inventory.Weakness
}

// suspect is a process that is looked at again, kept open.
type suspect struct {
	process   *nsinspect.Process
	container *snapshot.Container
	// weak are threads that look weaker than the runtime was told to make them.
	weak map[int]inventory.Weakness
}

func newSettler(i *inspector, settle time.Duration) *settler {
	return &settler{
		node: i.node, builder: i.builder, inspector: i, settle: settle,
		kept: make(map[*snapshot.Container]int), unlooked: make(map[*snapshot.Container]inventory.Weakness),
	}
}

// close releases the processes that are still open.
func (s *settler) close() {
	for _, suspect := range slices.Concat(s.suspects, s.starting) {
		suspect.process.Close()
	}
}

// keep takes over a process that is to be looked at again. It reports whether it did; the
// process is then the settler's to close.
func (s *settler) keep(process *nsinspect.Process, container *snapshot.Container, found *inspected) bool {
	again := suspect{process, container, found.weak}
	suspected := s.inspector.isSuspect(process, container, found)
	switch {
	case suspected && s.hasRoom(container, len(s.suspects), s.spare(container, found)):
		s.suspects = append(s.suspects, again)
	case suspected:
		for _, ways := range found.weak {
			s.unlooked[container] |= ways
		}
		return false
	case runtimes.IsInit(found.record.Command) && s.hasRoom(container, len(s.starting), 0):
		s.starting = append(s.starting, again)
	default:
		return false
	}
	s.kept[container]++
	return true
}

// spare returns the room that is kept for suspects that share something of the host, as a runtime's
// process does on its way in: those that are weaker in another way can't take it from them.
func (s *settler) spare(container *snapshot.Container, found *inspected) int {
	if len(s.node.undeclared(container, found.record)) > 0 {
		return spareSuspects
	}
	return 0
}

// hasRoom reports whether another handle of a container may be kept, among so many of all, and with
// so much to spare.
func (s *settler) hasRoom(container *snapshot.Container, all, spare int) bool {
	own := s.kept[container]
	return own < fewSuspects || own < maxSuspectsOfOne+spare && all < maxSuspects+spare
}

// confirm looks at the suspects again, after a while and through the same handles. Those
// that have gone, or have left the host's namespaces, were transient. Where that happens in
// each of several rounds, the container is unknown.
func (s *settler) confirm(ctx context.Context) error {
	for round := 1; len(s.suspects) > 0; round++ {
		if err := pause(ctx, s.settle); err != nil {
			return err
		}
		left, err := s.transient(ctx)
		if err != nil {
			return err
		}
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
	s.noteUnlooked()
	return ctx.Err()
}

// noteUnlooked makes containers unknown of which processes look weaker that there was no room for,
// unless a second look has confirmed as much of others.
func (s *settler) noteUnlooked() {
	for container, ways := range s.unlooked {
		for i := range container.Processes {
			for _, group := range container.Processes[i].Credentials {
				ways &^= s.inspector.confirmed(container, &container.Processes[i], &group)
			}
		}
		if ways != 0 {
			snapshot.AddGap(&container.Unread.Security, snapshot.CauseLimit, "more of its processes are weaker than the runtime was told than are looked at twice")
		}
	}
}

// transient looks at all suspects again, and returns the containers of which some have left a
// kind of namespace that no other process of the container stays in. Those that a runtime is still
// at come last.
func (s *settler) transient(ctx context.Context) (map[*snapshot.Container]bool, error) {
	left := make(map[*snapshot.Container][]nsinspect.Kind)
	look := func(suspect suspect) {
		left[suspect.container] = append(left[suspect.container], s.lookAgain(ctx, suspect)...)
		suspect.process.Close()
	}
	s.suspects = slices.DeleteFunc(s.suspects, func(suspect suspect) bool {
		settled := !s.isArriving(ctx, suspect)
		if settled {
			look(suspect)
		}
		return settled
	})
	if err := s.awaitRuntimes(ctx); err != nil {
		return nil, err
	}
	for _, suspect := range s.suspects {
		late := s.isArriving(ctx, suspect)
		look(suspect)
		if late {
			s.giveUp(suspect)
		}
	}
	s.suspects = s.suspects[:0]
	clear(s.kept)
	transient := make(map[*snapshot.Container]bool)
	for container, kinds := range left {
		for _, kind := range kinds {
			stays := slices.ContainsFunc(container.Processes, func(p snapshot.Process) bool { return s.node.sharesKind(&p, kind) })
			if !stays {
				transient[container] = true
			}
		}
	}
	return transient, nil
}

// lookAgain returns the kinds of the host's namespaces that a suspect was in and is no more.
// Where the second look fails, the first stands.
func (s *settler) lookAgain(ctx context.Context, suspect suspect) []nsinspect.Kind {
	s.readAgain(suspect)
	found, err := s.inspector.inspect(ctx, suspect.process, suspect.container, suspect.weak)
	if errors.Is(err, nsinspect.ErrVanished) {
		found, err = new(inspected), nil
	}
	container := suspect.container
	i := indexOf(container, suspect.process.PID())
	if err != nil || i < 0 {
		return nil // If it is not there, its pid was given out again within one walk, and the other is gone.
	}
	if found.seen.Denied > 0 {
		if found.record != nil {
			container.Processes[i].Credentials = found.record.Credentials
		}
		return nil
	}
	before := s.node.undeclared(container, &container.Processes[i])
	record := found.record
	if record == nil {
		s.builder.remove(container, suspect.process.PID())
		s.builder.snap.Coverage.Transient++
		return before
	}
	s.builder.replace(container, record)
	after := s.node.undeclared(container, record)
	left := slices.DeleteFunc(before, func(kind nsinspect.Kind) bool { return slices.Contains(after, kind) })
	if len(left) > 0 || len(suspect.weak) > 0 && !s.isConfirmed(container, record) {
		s.builder.snap.Coverage.Transient++
	}
	return left
}

// readAgain reads the credentials of a suspect's threads again, and takes out the ways in which
// they do not look weaker any more.
func (s *settler) readAgain(suspect suspect) {
	if len(suspect.weak) == 0 {
		return
	}
	of, spec := s.inspector.context(suspect.container), suspect.container.SecuritySpec()
	for range againReadings {
		for tid := range suspect.weak {
			var ways inventory.Weakness
			if credentials, ok := of.read(suspect.process, tid); ok {
				ways = spec.Weaker(&credentials, false) // Whether it is nested, the last look tells.
			}
			suspect.weak[tid] &= ways
		}
	}
}

// isConfirmed reports whether a second look has confirmed that a process is weaker, in some way.
func (s *settler) isConfirmed(container *snapshot.Container, record *snapshot.Process) bool {
	return slices.ContainsFunc(record.Credentials, func(group snapshot.CredentialGroup) bool {
		return s.inspector.confirmed(container, record, &group) != 0
	})
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
	found, err := s.inspector.inspect(ctx, process, container, nil)
	if err != nil || found.record == nil {
		return false
	}
	if len(s.node.undeclared(container, found.record)) == 0 || !s.hasRoom(container, len(s.suspects), spareSuspects) {
		return false
	}
	s.builder.replace(container, found.record)
	s.suspects = append(s.suspects, suspect{process, container, found.weak})
	s.kept[container]++
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
