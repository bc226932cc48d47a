// SPDX-License-Identifier: Apache-2.0

package events

import (
	"log/slog"
	"time"

	"github.com/nsaudit/nsaudit/agent/logkey"
)

// begin returns what to send of an Event now, if anything.
func (r *Reporter) begin(s *state) (delivery, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	switch {
	case !r.knows(s):
		return delivery{}, false
	case s.end != nil && !s.dirty:
		// It is not refreshed any more, so that it does not matter that this failed.
		s.err = nil
		r.recovered()
		return delivery{}, false
	case s.due.IsZero():
		return delivery{}, false
	case now.Before(s.due):
		r.enqueue(s, now)
		return delivery{}, false
	}
	seen := s.seen
	if r.present(s) {
		seen = r.clock()
	}
	return delivery{
		event:     s.event.object(s.place(), r.node, s.first),
		count:     s.count.Load(),
		seen:      seen,
		container: s.event.container,
		free:      r.hurry,
	}, true
}

// knows reports whether an Event is still to be kept.
func (r *Reporter) knows(s *state) bool {
	if s.of == nil {
		return r.states[s.event.key] == s
	}
	return s.of.end == s && r.states[s.of.event.key] == s.of
}

// succeed records that the API server took an Event.
func (r *Reporter) succeed(s *state, done delivery, count int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if s.of != nil {
		r.forget(s)
		return
	}
	s.delivered(count, done.container, now, r.ttl)
	r.enqueue(s, now)
	r.scheduleEnd(s, now)
	r.recovered()
	r.caughtUp()
}

// forget forgets an Event that has ended, once that was said.
func (r *Reporter) forget(end *state) {
	if r.knows(end) {
		delete(r.states, end.of.event.key)
	}
	r.recovered()
	r.caughtUp()
}

// fail records that the API server did not take an Event, and decides what follows.
func (r *Reporter) fail(s *state, count int32, err error) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	if count > 0 {
		s.count.Store(count)
	}
	logger := r.logger.With(slog.String(logkey.Event, s.name()), slog.String(logkey.Reason, s.event.reason), slog.Any(logkey.Error, err))
	switch consequence := consequenceOf(err); {
	case consequence == drop && s.open() && s.move():
		// A pod that takes its time to end hides nothing by that.
		logger.Info("The event goes to the node: its namespace is being deleted")
		return Failed
	case consequence == drop, isNamespaceMissing(err) && !s.open():
		logger.Debug("No event: its namespace is deleted")
		r.giveUp(s)
		return Dropped
	case consequence == move && s.move():
		logger.Warn("The event goes to the node: it can't be kept with its pod")
		return Failed
	case consequence == move, consequence == reject:
		logger.Error("No event: the API server rejects it")
		r.giveUp(s)
		return Rejected
	}
	s.err, s.asked = err, retryAfter(err)
	r.failing(err, logger)
	return Failed
}

// giveUp leaves an Event alone until it would be refreshed.
func (r *Reporter) giveUp(s *state) {
	now := time.Now()
	if s.of != nil {
		r.forget(s)
		return
	}
	s.rest(now, r.ttl)
	if s.end != nil && s.count.Load() == 0 {
		delete(r.states, s.event.key)
	}
	r.enqueue(s, now)
	r.scheduleEnd(s, now)
	r.recovered()
	r.caughtUp()
}

// failing keeps the latest problem, and logs each class of problems once.
func (r *Reporter) failing(err error, logger *slog.Logger) {
	r.problem = err
	if class := classOf(err); !r.logged[class] {
		r.logged[class] = true
		logger.Warn("Events are not delivered: they are kept and retried")
	}
}

// recovered forgets the problem once no Event has one.
func (r *Reporter) recovered() {
	if r.problem == nil {
		return
	}
	for _, s := range r.states {
		if s.err != nil || s.end != nil && s.end.err != nil {
			return
		}
	}
	r.problem = nil
	clear(r.logged)
	r.logger.Info("Events are delivered again")
}
