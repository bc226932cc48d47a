// SPDX-License-Identifier: Apache-2.0

package events

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// restartInterval is the least time between two patches of one Event, for containers that
// restart all the time, and between an Event and the one that says that it has ended.
const restartInterval = time.Minute

// state is how far the delivery of one Event is. The reporter's lock guards it.
type state struct {
	event event
	// notice, warns and owner never change, so that the queue reads them without the lock. The
	// owner is the pod, or the container outside pods, that it is about.
	notice, warns bool
	owner         string
	// end is the Event that says that this one has ended, once it has. That one has this one
	// as its of.
	end, of *state
	// generation is the number of the latest report that has the finding.
	generation int
	// first and seen are when the finding was seen for the first and the last time, by the wall
	// clock: they are for people, and nothing is measured with them.
	first, seen time.Time
	// count is the series' count as the API server last returned it, and 0 while it has no
	// Event. The queue reads it without the lock.
	count atomic.Int32
	// dirty: the API server lacks an occurrence. lastSent is the container last reported.
	dirty    bool
	lastSent inventory.Key
	// due is when to send next, zero for never, and sent when that was last done.
	due, sent time.Time
	// moved: the Event can't be kept with the pod and goes to the node.
	moved bool
	// err is why the latest attempt failed, and asked how long the API server asked to wait.
	err   error
	asked time.Duration
}

// newState returns an Event that was seen at a time of the wall clock, and is due.
func newState(e event, generation int, stamp, due time.Time) *state {
	return &state{
		event: e, notice: e.finding == "", warns: e.eventType == corev1.EventTypeWarning, owner: e.owner,
		generation: generation, seen: stamp, first: stamp, dirty: true, due: due,
	}
}

// open reports whether what the Event is about lasts, as far as is known.
func (s *state) open() bool { return s.end == nil && s.of == nil }

// class returns how urgent it is.
func (s *state) class() class {
	switch {
	case s.count.Load() > 0:
		return refresh
	case s.warns:
		return warning
	}
	return other
}

// pending reports whether the API server has yet to take the Event.
func (s *state) pending() bool {
	return s.err != nil || s.dirty && s.count.Load() == 0
}

// place is where the Event goes.
func (s *state) place() place {
	if s.event.pod == nil || s.moved {
		return s.event.node
	}
	return *s.event.pod
}

// name returns the Event's namespace and name.
func (s *state) name() string {
	at := s.place()
	return at.namespace + "/" + objectName(at.regarding.Name, s.event.suffix)
}

// observe records that a report of a time of the wall clock has the finding, and reports whether
// that makes the Event due earlier.
func (s *state) observe(e event, generation int, stamp time.Time) bool {
	if s.generation == generation {
		return false
	}
	s.event, s.generation, s.seen = e, generation, stamp
	if s.end != nil {
		return s.reopen()
	}
	if s.count.Load() == 0 || s.dirty || s.lastSent == e.container {
		return false
	}
	s.mark()
	return true
}

// reopen takes back that the Event has ended, and reports whether that makes it due earlier.
func (s *state) reopen() bool {
	if s.end == nil {
		return false
	}
	s.end = nil
	if s.dirty {
		return false
	}
	s.mark()
	return true
}

// mark makes an occurrence due that the API server lacks.
func (s *state) mark() {
	s.dirty = true
	s.due = s.sent.Add(restartInterval)
}

// delivered records that the API server has this many occurrences, the latest of which was in
// the container.
func (s *state) delivered(count int32, container inventory.Key, now time.Time, ttl time.Duration) {
	s.count.Store(count)
	s.lastSent, s.sent, s.err = container, now, nil
	if container != s.event.container {
		s.mark()
		return
	}
	s.rest(now, ttl)
}

// move sends the Event to the node, and reports whether it was not sent there before.
func (s *state) move() bool {
	if s.event.pod == nil || s.moved {
		return false
	}
	s.moved, s.dirty, s.err = true, true, nil
	s.count.Store(0)
	return true
}

// rest leaves the Event alone until it is refreshed: early enough to retry for half of its
// life, and with jitter, so that not all are refreshed at once. One that does not warn is not
// refreshed.
func (s *state) rest(now time.Time, ttl time.Duration) {
	s.dirty, s.err = false, nil
	s.due = time.Time{}
	if s.warns {
		s.due = now.Add(ttl/2 - rand.N(ttl/10))
	}
}
