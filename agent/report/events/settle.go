package events

import (
	"log/slog"
	"time"
)

// begin says what to tell the API server of an Event now, if anything.
func (r *Reporter) begin(s *state) (delivery, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	switch {
	case r.states[s.event.key] != s:
		return delivery{}, false
	case now.Before(s.due):
		r.enqueue(s, now)
		return delivery{}, false
	case !r.wanted(s) && !s.owed:
		delete(r.states, s.event.key)
		r.recovered()
		return delivery{}, false
	}
	seen := s.seen
	if r.wanted(s) {
		seen = now
	}
	return delivery{
		event:     s.event.object(s.place(), r.node, s.first),
		count:     s.count.Load(),
		seen:      seen,
		container: s.event.container,
	}, true
}

// wanted says whether the latest report has the finding.
func (r *Reporter) wanted(s *state) bool { return s.generation == r.generation }

// succeed takes over that the API server was told.
func (r *Reporter) succeed(s *state, done delivery, count int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	s.delivered(count, done.container, now, r.ttl)
	r.enqueue(s, now)
	r.recovered()
}

// fail takes over that the API server was not told, and decides what follows from that.
func (r *Reporter) fail(s *state, err error) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	logger := r.logger.With("event", s.name(), "reason", s.event.reason, "error", err)
	switch consequence := consequenceOf(err); {
	case consequence == drop, isNamespaceMissing(err) && !r.wanted(s):
		logger.Debug("no event: its namespace is deleted")
		r.giveUp(s)
		return Dropped
	case consequence == move && s.move():
		logger.Warn("the event goes to the node: it can't be kept with its pod")
		return Failed
	case consequence == move, consequence == reject:
		logger.Error("no event: the API server does not take it")
		r.giveUp(s)
		return Rejected
	}
	s.err = err
	r.trouble(err, logger)
	return Failed
}

// giveUp leaves an Event alone until it would be refreshed.
func (r *Reporter) giveUp(s *state) {
	now := time.Now()
	s.rest(now, r.ttl)
	r.enqueue(s, now)
	r.recovered()
}

// trouble keeps the latest problem, and logs each class of problems once.
func (r *Reporter) trouble(err error, logger *slog.Logger) {
	r.problem = err
	if class := classOf(err); !r.logged[class] {
		r.logged[class] = true
		logger.Warn("events are not delivered: they are kept and sent again")
	}
}

// recovered forgets the problem once no Event has one.
func (r *Reporter) recovered() {
	if r.problem == nil {
		return
	}
	for _, s := range r.states {
		if s.err != nil {
			return
		}
	}
	r.problem = nil
	clear(r.logged)
	r.logger.Info("events are delivered again")
}
