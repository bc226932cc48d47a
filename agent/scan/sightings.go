// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// maxExecutable caps the path of an executable that is kept, in bytes.
const maxExecutable = 256

// maxGlance caps the threads of one process of which a short look reads the namespaces, and of the
// processes of one container.
const maxGlance = 512

// sightings collects who was seen in namespaces of the host as a process of a container.
type sightings struct {
	node     *node
	builder  *builder
	arrivals *arrivals
	seen     map[*snapshot.Container]map[nsinspect.Kind]*snapshot.Sighting
}

func newSightings(i *inspector) *sightings {
	return &sightings{
		node: i.node, builder: i.builder, arrivals: &i.arrivals,
		seen: make(map[*snapshot.Container]map[nsinspect.Kind]*snapshot.Sighting),
	}
}

// meet takes a process that was seen in namespaces of the host that its container did not declare. A
// runtime's process leaves them once: what it was before it was looked at as whose it is, is not known
// of one that is not a runtime's any more. So that one is looked at again.
func (s *sightings) meet(ctx context.Context, suspect *suspect, kinds []nsinspect.Kind) {
	for _, kind := range kinds {
		suspect.hosted = addKind(suspect.hosted, kind)
	}
	if runtimes.IsSandboxed(suspect.container.Runtime) {
		return // They are the sandbox's, which comes in on ways of its own.
	}
	switch s.arrivals.of(suspect.process) {
	case arriving, late:
		return
	case undecided:
		suspect.doubtful = true
		return
	case arrived:
		threads := maxGlance
		kinds = s.node.hosted(ctx, suspect.process, kinds, &threads)
	case foreign:
	}
	s.sight(suspect, kinds)
}

// sight notes that a process of the container was in these.
func (s *sightings) sight(suspect *suspect, kinds []nsinspect.Kind) {
	if len(kinds) == 0 {
		return
	}
	of := s.seen[suspect.container]
	if of == nil {
		of = make(map[nsinspect.Kind]*snapshot.Sighting)
		s.seen[suspect.container] = of
	}
	visitor := visitorOf(suspect.process)
	for _, kind := range kinds {
		suspect.seen = addKind(suspect.seen, kind)
		if of[kind] == nil {
			of[kind] = &snapshot.Sighting{Kind: kind}
		}
		of[kind].Sight(time.Now().UTC().Truncate(time.Millisecond), visitor)
	}
}

// visitorOf names a process. One that has ended meanwhile has its pid only.
func visitorOf(process *nsinspect.Process) snapshot.Visitor {
	visitor := snapshot.Visitor{PID: process.PID()}
	visitor.Command, _ = process.Command()
	path, err := process.ExecutablePath()
	if err == nil {
		visitor.Executable = path[:min(len(path), maxExecutable)]
	}
	return visitor
}

// record puts into the snapshot who was seen and has left: where anyone stays, that is what matters.
func (s *sightings) record() {
	for container, kinds := range s.seen {
		for _, kind := range s.node.compared {
			seen := kinds[kind]
			stays := func(p snapshot.Process) bool { return s.node.sharesKind(&p, kind) }
			if seen != nil && !slices.ContainsFunc(container.Processes, stays) {
				container.Sightings = append(container.Sightings, *seen)
			}
		}
	}
}

func addKind(kinds []nsinspect.Kind, kind nsinspect.Kind) []nsinspect.Kind {
	if slices.Contains(kinds, kind) {
		return kinds
	}
	return append(kinds, kind)
}

// hosted returns the kinds among these of which a thread of a process is in the host's namespace. It
// reads no more than so many threads, from a random one on, and takes them off. A thread that is ending
// is left out: the stages of runc end in namespaces of the host.
func (n *node) hosted(ctx context.Context, process *nsinspect.Process, kinds []nsinspect.Kind, threads *int) []nsinspect.Kind {
	tids, err := process.Threads(ctx)
	if err != nil || len(tids) == 0 {
		return nil
	}
	var found []nsinspect.Kind
	first := rand.IntN(len(tids)) //nolint:gosec // It spreads the looks; guessing it gains one of many.
	for i := range min(len(tids), *threads) {
		*threads--
		for _, kind := range kinds {
			host, ok := n.ref.Namespaces.Get(kind)
			tid := tids[(first+i)%len(tids)]
			id, err := process.ThreadNamespace(tid, kind)
			if ok && err == nil && id == host && process.ThreadRuns(tid) {
				found = addKind(found, kind)
			}
		}
	}
	return found
}
