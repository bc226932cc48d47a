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

// settler looks again, after a while, at what a first look does not settle: processes that
// share what their container did not declare or are weaker than it was to be, and processes that
// are still the runtime's.
type settler struct {
	node      *node
	builder   *builder
	inspector *inspector
	// settle is how long what was not declared has to last.
	settle   time.Duration
	suspects []*suspect
	// starting are processes that are still running as the runtime's init.
	starting  []*suspect
	sightings *sightings
	patrol    *patrol
	// kept counts the handles that are kept open, by container.
	kept map[*snapshot.Container]int
	// deadline is until when runtimes are waited for.
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
	// hosted are the kinds of the host's namespaces that it was seen in, and seen those that it was
	// seen in when it was the container's beyond doubt.
	hosted, seen []nsinspect.Kind
	// doubtful: it could not be read whether it was the runtime's.
	doubtful bool
}

func newSettler(i *inspector, config *Config) *settler {
	sightings := newSightings(i)
	return &settler{
		node: i.node, builder: i.builder, inspector: i, settle: config.Settle,
		sightings: sightings, patrol: newPatrol(i, sightings, config.Random),
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
func (s *settler) keep(ctx context.Context, process *nsinspect.Process, container *snapshot.Container, found *inspected) bool {
	again := &suspect{process: process, container: container, weak: found.weak}
	suspected := s.inspector.isSuspect(process, container, found)
	if kinds := s.node.undeclared(container, found.record); len(kinds) > 0 {
		s.sightings.meet(ctx, again, kinds)
	}
	switch {
	case suspected && s.hasRoom(container, len(s.suspects), s.spare(again)):
		s.suspects = append(s.suspects, again)
	case suspected:
		s.leaveOut(again)
		return false
	case runtimes.IsInit(found.record.Command) && s.hasRoom(container, len(s.starting), 0):
		s.starting = append(s.starting, again)
	default:
		return false
	}
	s.kept[container]++
	return true
}

// leaveOut notes what is not known of a suspect that there is no room for. Where it is beyond doubt that
// it shares what was not declared, nothing is.
func (s *settler) leaveOut(suspect *suspect) {
	for _, ways := range suspect.weak {
		s.unlooked[suspect.container] |= ways
	}
	if len(suspect.hosted) > len(suspect.seen) {
		s.builder.remove(suspect.container, suspect.process.PID())
		s.builder.unread(suspect.container, snapshot.CauseLimit, "more of its processes share with the host than are looked at twice")
	}
}

// spare returns the room that is kept for suspects that share something of the host, as a runtime's
// process does on its way in: those that are weaker in another way can't take it from them.
func (s *settler) spare(suspect *suspect) int {
	if len(suspect.hosted) > 0 {
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

// needed reports whether there is anything to look at again.
func (s *settler) needed() bool {
	s.patrol.begin(s.suspects)
	return len(s.suspects) > 0 || s.patrol.needed()
}

// confirm looks at the suspects again, after a while and through the same handles. Containers of which
// processes may come and go are looked at several times until then. Those that a runtime is still at
// come last: nothing else waits for them.
func (s *settler) confirm(ctx context.Context) error {
	s.deadline = time.Now().Add(patience)
	if err := s.wait(ctx); err != nil {
		return err
	}
	s.concludeAll(ctx, func(suspect *suspect) bool { return !s.isArriving(ctx, suspect) })
	if err := s.awaitRuntimes(ctx); err != nil {
		return err
	}
	s.concludeAll(ctx, func(*suspect) bool { return true })
	clear(s.kept)
	s.noteUnlooked()
	s.sightings.record()
	return ctx.Err()
}

// wait lets the time pass that has to go by before anything counts.
func (s *settler) wait(ctx context.Context) error {
	start := time.Now()
	for n := 0; n < s.looks(); n++ {
		if err := pause(ctx, s.patrol.pause(s.settle)); err != nil {
			return err
		}
		if err := s.patrol.look(ctx, s); err != nil {
			return err
		}
		if time.Since(start) >= s.settle {
			s.concludeAll(ctx, func(suspect *suspect) bool { return len(suspect.hosted) == 0 && !s.isArriving(ctx, suspect) })
		}
	}
	if rest := s.settle - time.Since(start); rest > 0 && len(s.suspects) > 0 {
		return pause(ctx, rest)
	}
	return nil
}

// looks returns how many looks are taken at containers whose processes may enter namespaces of the host:
// more, once one was met there.
func (s *settler) looks() int {
	met := slices.ContainsFunc(s.suspects, func(suspect *suspect) bool { return len(suspect.hosted) > 0 })
	switch {
	case !s.patrol.needed():
		return 0
	case met:
		return looks
	default:
		return fewLooks
	}
}

// concludeAll looks for the last time at some of the suspects.
func (s *settler) concludeAll(ctx context.Context, which func(*suspect) bool) {
	s.suspects = slices.DeleteFunc(s.suspects, func(suspect *suspect) bool {
		if !which(suspect) {
			return false
		}
		s.conclude(ctx, suspect)
		suspect.process.Close()
		return true
	})
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

// conclude looks at a suspect for the last time. Where that fails, the first look stands.
func (s *settler) conclude(ctx context.Context, suspect *suspect) {
	unfinished := s.isArriving(ctx, suspect) || s.inspector.arrivals.of(suspect.process) == late
	s.readAgain(suspect)
	found, err := s.inspector.inspect(ctx, suspect.process, suspect.container, suspect.weak)
	if errors.Is(err, nsinspect.ErrVanished) {
		found, err = new(inspected), nil
	}
	container := suspect.container
	i := indexOf(container, suspect.process.PID())
	if err != nil || i < 0 {
		return // If it is not there, its pid was given out again within one walk, and the other is gone.
	}
	if found.seen.Denied > 0 {
		if found.record != nil {
			container.Processes[i].Credentials = found.record.Credentials
		}
		return
	}
	if found.record == nil {
		s.builder.remove(container, suspect.process.PID())
		s.left(suspect, suspect.hosted, true)
		return
	}
	s.builder.replace(container, found.record)
	after := s.node.undeclared(container, found.record)
	if unfinished && len(after) > 0 {
		s.giveUp(suspect)
		return
	}
	left := slices.DeleteFunc(slices.Clone(suspect.hosted), func(kind nsinspect.Kind) bool { return slices.Contains(after, kind) })
	s.left(suspect, left, len(suspect.weak) > 0 && !s.isConfirmed(container, found.record))
}

// left notes that a suspect has left kinds of the host's namespaces, or is not weaker any more. Where it
// may have been the runtime's, it was transient.
func (s *settler) left(suspect *suspect, kinds []nsinspect.Kind, transient bool) {
	doubt := slices.ContainsFunc(kinds, func(kind nsinspect.Kind) bool { return !slices.Contains(suspect.seen, kind) })
	if doubt && suspect.doubtful {
		s.builder.unread(suspect.container, snapshot.CauseUnsettled, fmt.Sprintf("it could not be read whether process %d, which was in a namespace of the host, was the runtime's", suspect.process.PID()))
	}
	if doubt || transient && len(suspect.seen) == 0 {
		s.builder.snap.Coverage.Transient++
	}
}

// readAgain reads the credentials of a suspect's threads again, and takes out the ways in which
// they do not look weaker any more.
func (s *settler) readAgain(suspect *suspect) {
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

func pause(ctx context.Context, settle time.Duration) error {
	select {
	case <-time.After(settle):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
