// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// Bounds of the looks at containers of which processes may come and go.
const (
	// looks is how many a scan takes where somebody was met. A visit of more than five sixths of the settling time can't fall
	// between two of them.
	looks = 6
	// fewLooks is how many it takes as long as nobody was met: nearly every node has a container that may
	// enter, and nobody in it who does.
	fewLooks = 3
	// maxLookThreads is how many threads one look reads, of all containers together.
	maxLookThreads = 2048
	// maxNewcomers is how many processes one look asks for their containers.
	maxNewcomers = 512
)

// patrol looks several times, at moments that nobody can guess, at containers whose processes may enter
// namespaces of the host: a process that is in one for a part of the time would be missed by two looks
// with a fixed time between them.
type patrol struct {
	node      *node
	builder   *builder
	inspector *inspector
	sightings *sightings
	// random returns a number from 0 to less than 1.
	random func() float64
	// kinds are those that were not declared, of each container that is watched.
	kinds map[*snapshot.Container][]nsinspect.Kind
	// places are the processes of these containers, and known all that were listed before.
	places map[int]*snapshot.Container
	known  []int
}

func newPatrol(i *inspector, sightings *sightings, random func() float64) *patrol {
	if random == nil {
		random = rand.Float64
	}
	return &patrol{
		node: i.node, builder: i.builder, inspector: i, sightings: sightings, random: random,
		kinds: make(map[*snapshot.Container][]nsinspect.Kind), places: make(map[int]*snapshot.Container),
	}
}

func (p *patrol) needed() bool { return len(p.kinds) > 0 }

// pause returns the time to the next look: half of the settling time in the mean.
func (p *patrol) pause(settle time.Duration) time.Duration {
	return time.Duration(float64(settle) * (1 + p.random()*(looks-2)) / looks)
}

// begin finds the containers to be watched: those of which a process was seen in a namespace of the
// host, and those that may enter one.
func (p *patrol) begin(suspects []*suspect) {
	for _, suspect := range suspects {
		if len(suspect.seen) > 0 {
			p.add(suspect.container)
		}
	}
	for _, container := range p.builder.containers {
		if len(container.Processes) > 0 && mayEnter(container) {
			p.add(container)
		}
	}
}

// add watches a container, for the kinds that single threads can enter (setns(2)): a PID namespace is
// that of the process from its birth.
func (p *patrol) add(container *snapshot.Container) {
	var kinds []nsinspect.Kind
	for _, kind := range p.node.compared {
		host, ok := p.node.ref.Namespaces.Get(kind)
		if ok && !host.IsZero() && p.watches(kind) && !p.node.asks(container, kind) {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) == 0 {
		return
	}
	p.kinds[container] = kinds
	for i := range container.Processes {
		p.places[container.Processes[i].PID] = container
	}
}

// watches reports whether a kind is looked for. What a lean scan reads of the init process only is not:
// it could not tell whether the others are still there.
func (p *patrol) watches(kind nsinspect.Kind) bool {
	switch kind {
	case nsinspect.User:
		return false
	case nsinspect.UTS, nsinspect.Cgroup:
		return p.inspector.depth == Full
	default:
		return kind.PerThread()
	}
}

// mayEnter reports whether processes of a container may enter namespaces of the host: that takes
// CAP_SYS_ADMIN in the host's user namespace. Where no credentials were read, the runtime spec tells.
func mayEnter(container *snapshot.Container) bool {
	if hasUsers(&container.Container) {
		return false
	}
	if spec := container.SecuritySpec(); len(container.Credentials) == 0 && spec != nil {
		return spec.Holds()&capSysAdmin != 0
	}
	return slices.ContainsFunc(container.Credentials, func(c snapshot.Credentials) bool { return c.Permitted&capSysAdmin != 0 })
}

// look looks once at the suspects that share with the host, and at the processes of the containers that
// are watched.
func (p *patrol) look(ctx context.Context, s *settler) error {
	handled := make(map[int]bool, len(s.suspects))
	threads := make(map[*snapshot.Container]*int, len(p.kinds))
	for container := range p.kinds {
		threads[container] = new(max(maxLookThreads/len(p.kinds), 1))
		*threads[container] = min(*threads[container], maxGlance)
	}
	for _, suspect := range s.suspects {
		if left := threads[suspect.container]; left != nil && len(suspect.hosted) > 0 {
			handled[suspect.process.PID()] = true
			if kinds := p.node.hosted(ctx, suspect.process, p.kinds[suspect.container], left); len(kinds) > 0 {
				p.sightings.meet(ctx, suspect, kinds)
			}
		}
	}
	pids, err := p.node.fs.PIDs(ctx)
	if err != nil {
		return err
	}
	p.place(ctx, pids)
	if len(pids) == 0 {
		return nil
	}
	first := int(p.random() * float64(len(pids)))
	for i := range pids {
		pid := pids[(first+i)%len(pids)]
		container := p.places[pid]
		if container == nil || handled[pid] || *threads[container] <= 0 {
			continue
		}
		if err := p.glance(ctx, s, pid, container, threads[container]); err != nil {
			return err
		}
	}
	return nil
}

// place finds out whose the processes are that were not there before. The first time, those that are
// there were met by the walk.
func (p *patrol) place(ctx context.Context, pids []int) {
	asked := 0
	seen := make([]int, 0, len(pids))
	for _, pid := range pids {
		_, known := slices.BinarySearch(p.known, pid)
		switch {
		case known || p.known == nil || p.places[pid] != nil:
		case asked == maxNewcomers:
			continue // The next look asks.
		default:
			asked++
			if container := p.ownerOf(ctx, pid); container != nil && p.kinds[container] != nil {
				p.places[pid] = container
			}
		}
		seen = append(seen, pid)
	}
	p.known = seen
}

func (p *patrol) ownerOf(ctx context.Context, pid int) *snapshot.Container {
	process, container, err := openOwned(ctx, p.node, p.builder, pid)
	if err != nil {
		return nil
	}
	process.Close()
	return container
}

// glance looks at one process, and hands it to the settler if it is in a namespace of the host.
func (p *patrol) glance(ctx context.Context, s *settler, pid int, container *snapshot.Container, threads *int) error {
	process, err := p.node.fs.Open(pid)
	if err != nil {
		delete(p.places, pid)
		return ctx.Err()
	}
	kinds := p.node.hosted(ctx, process, p.kinds[container], threads)
	if len(kinds) == 0 || !p.take(ctx, s, process, container, kinds) {
		process.Close()
	}
	return ctx.Err()
}

// take makes a process that was in a namespace of the host a suspect. It reports whether it is the
// settler's now. Its pid may be another's than in the walk.
func (p *patrol) take(ctx context.Context, s *settler, process *nsinspect.Process, container *snapshot.Container, kinds []nsinspect.Kind) bool {
	now, err := attribute(ctx, p.node, p.builder, process)
	if err != nil || now.container != container {
		return false
	}
	again := &suspect{process: process, container: container}
	p.sightings.meet(ctx, again, kinds)
	found, err := p.inspector.inspect(ctx, process, container, nil)
	if err != nil || found.record == nil || !s.hasRoom(container, len(s.suspects), spareSuspects) {
		return false
	}
	found.record.Left = now.left
	p.builder.replace(container, found.record)
	s.suspects = append(s.suspects, again)
	s.kept[container]++
	return true
}
