package events

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// restartInterval is the least time between two patches of one Event: a container that
// restarts all the time is not worth more.
const restartInterval = time.Minute

// state is how far the delivery of one Event is. The reporter's lock guards it.
type state struct {
	event event
	// generation is the latest report that has the finding, and seen the time of it.
	generation int
	seen       time.Time
	// first is when the finding was first seen: the Event's time.
	first time.Time
	// count is the series' count as far as the API server told, and 0 while it has no
	// Event. The queue reads it without the lock.
	count atomic.Int32
	// owed says that something happened that the API server does not know, and told is the
	// container that it was last told of.
	owed bool
	told inventory.Key
	// due is when to send next, and sent when that was last done.
	due, sent time.Time
	// moved says that the Event can't be kept with the pod and goes to the node.
	moved bool
	// err is why the latest attempt failed.
	err error
}

func newState(e event, generation int, now time.Time) *state {
	return &state{event: e, generation: generation, seen: now, first: now, owed: true, due: now}
}

// pending says whether the API server has yet to take the Event.
func (s *state) pending() bool {
	return s.err != nil || s.owed && s.count.Load() == 0
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
	return at.namespace + "/" + objectName(at.regarding.Name, s.event.key)
}

// observe takes over what a report says of the finding, and returns whether that is news
// which makes the Event due earlier.
func (s *state) observe(e event, generation int, now time.Time) bool {
	if s.generation == generation {
		return false
	}
	back := s.generation != generation-1
	s.event, s.generation, s.seen = e, generation, now
	known := s.count.Load() > 0
	if !known || s.owed || !back && s.told == e.container {
		return false
	}
	s.owe()
	return true
}

// owe makes an occurrence due that the API server does not know of.
func (s *state) owe() {
	s.owed = true
	s.due = s.sent.Add(restartInterval)
}

// delivered takes over that the API server has so many occurrences, the latest of which
// was in the container.
func (s *state) delivered(count int32, told inventory.Key, now time.Time, ttl time.Duration) {
	s.count.Store(count)
	s.told, s.sent, s.err = told, now, nil
	if told != s.event.container {
		s.owe()
		return
	}
	s.rest(now, ttl)
}

// move sends the Event to the node, and returns whether that is anything new.
func (s *state) move() bool {
	if s.event.pod == nil || s.moved {
		return false
	}
	s.moved, s.owed, s.err = true, true, nil
	s.count.Store(0)
	return true
}

// rest leaves the Event alone until it is time to refresh it: early enough to try again for
// half of its life, and at its own moment, so that not all come at once.
func (s *state) rest(now time.Time, ttl time.Duration) {
	s.owed, s.err = false, nil
	s.due = now.Add(ttl/2 - rand.N(ttl/10))
}
