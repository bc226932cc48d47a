// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

const (
	// maxLater caps the containers that are to be looked at later, and maxLooks the looks at each. The
	// next full scan sees the others.
	maxLater = 4096
	maxLooks = 4
	// together is how much earlier than asked for a look may be, to be one with others.
	together = 200 * time.Millisecond
	// round is how often those are looked at, together, in which programs were started and that can't
	// enter a namespace of the host: each probe is such a program.
	round = 10 * time.Second
)

// afterStart are the times of the looks at a container after its start, besides the one at once: what
// its program does comes a moment after it has begun.
func afterStart() []time.Duration {
	return []time.Duration{500 * time.Millisecond, 2 * time.Second, 10 * time.Second}
}

// afterEntry are those after a program was started in a container that can enter a namespace of the
// host.
func afterEntry() []time.Duration {
	return []time.Duration{250 * time.Millisecond, 2 * time.Second}
}

// Costs limits what later looks take of the processor.
type Costs struct {
	// Rate is the share of one processor, such as 0.003, and Burst what may be spent at once after a
	// time in which nothing was.
	Rate  float64
	Burst time.Duration
}

// later are looks at containers that are due at a time. They are put into the queue in batches, as far
// as the costs allow.
type later struct {
	costs Costs
	// due are the times of the looks at a container, in order.
	due map[inventory.Key][]time.Time
	// probed are containers to be looked at together in the next round, at nextRound.
	probed    map[inventory.Key]struct{}
	nextRound time.Time
	timer     *time.Timer
	// at is when the timer fires; zero if it does not.
	at time.Time
	// left is what may be spent, as of a time.
	left time.Duration
	asOf time.Time
	// owing says that looks were put into the queue and not paid for yet.
	owing bool
}

func newLater(costs Costs) later {
	return later{costs: costs, due: make(map[inventory.Key][]time.Time), probed: make(map[inventory.Key]struct{}), left: costs.Burst}
}

// Changed asks for the looks that a change of a container calls for.
func (q *Queue) Changed(key inventory.Key, change inventory.Change) {
	entered := change == inventory.Entered
	urgent := entered && q.mayEnter(key)
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	switch {
	case urgent:
		q.plan(key, now, afterEntry()...)
	case entered:
		q.join(key, now)
	case change == inventory.Started:
		q.add(key)
		q.plan(key, now, jittered(afterStart())...)
	default:
		delete(q.later.due, key)
		delete(q.later.probed, key)
		q.add(key)
	}
}

// jittered returns times that are up to a tenth longer or shorter: who knows them can't be elsewhere
// just then.
func jittered(times []time.Duration) []time.Duration {
	for i := range times {
		times[i] = time.Duration(float64(times[i]) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // The generator's seed is the system's.
	}
	return times
}

// plan has a container looked at after these times, unless there will be a look at nearly the same.
func (q *Queue) plan(key inventory.Key, now time.Time, after ...time.Duration) {
	times, known := q.later.due[key]
	if !known && len(q.later.due) == maxLater {
		return
	}
	for _, wait := range after {
		at := now.Add(wait)
		near := slices.ContainsFunc(times, func(t time.Time) bool { return t.Sub(at).Abs() < together })
		if !near && len(times) < maxLooks {
			times = append(times, at)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	q.later.due[key] = times
	q.wind(now, times[0])
}

// join has a container looked at in the next round.
func (q *Queue) join(key inventory.Key, now time.Time) {
	l := &q.later
	if len(l.probed) == maxLater {
		return
	}
	if len(l.probed) == 0 {
		l.nextRound = now.Truncate(round).Add(round)
	}
	l.probed[key] = struct{}{}
	q.wind(now, l.nextRound)
}

// wind sets the timer to this time, unless it fires before.
func (q *Queue) wind(now, at time.Time) {
	l := &q.later
	if !l.at.IsZero() && !at.Before(l.at) {
		return
	}
	l.at = at
	if l.timer == nil {
		l.timer = time.AfterFunc(at.Sub(now), q.fire)
		return
	}
	l.timer.Reset(at.Sub(now))
}

// fire puts into the queue what is due, if that may be paid for: up to as many as one targeted scan is
// for. The rest has to wait.
func (q *Queue) fire() {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := &q.later
	now := time.Now()
	l.at = time.Time{}
	if wait := l.wait(now); wait > 0 {
		q.wind(now, now.Add(wait))
		return
	}
	var next time.Time
	for key, times := range l.due {
		for len(times) > 0 && times[0].Before(now.Add(together)) && (len(q.keys) < maxTargets || q.full) {
			times = times[1:]
			q.add(key)
			l.owing = true
		}
		l.due[key] = times
		switch {
		case len(times) == 0:
			delete(l.due, key)
		case next.IsZero() || times[0].Before(next):
			next = times[0]
		}
	}
	q.closeRound(now)
	if len(l.probed) > 0 && (next.IsZero() || l.nextRound.Before(next)) {
		next = l.nextRound
	}
	if !next.IsZero() {
		q.wind(now, latest(next, now.Add(together)))
	}
}

// closeRound puts those of the round that is over into the queue, as far as there is room, unless the
// looks before have used up half of what may be spent. The next full scan sees the others.
func (q *Queue) closeRound(now time.Time) {
	l := &q.later
	if len(l.probed) == 0 || l.nextRound.After(now) {
		return
	}
	for key := range l.probed {
		if l.left > l.costs.Burst/2 && len(q.keys) < maxTargets {
			q.add(key)
			l.owing = true
		}
	}
	clear(l.probed)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// wait returns how long it takes until looks may be paid for.
func (l *later) wait(now time.Time) time.Duration {
	l.earn(now)
	switch {
	case l.owing:
		return together // Those before are not paid for yet.
	case l.left > 0:
		return 0
	}
	return max(time.Duration(float64(-l.left)/l.costs.Rate), together)
}

// earn adds what may be spent since the last time.
func (l *later) earn(now time.Time) {
	if !l.asOf.IsZero() {
		l.left = min(l.costs.Burst, l.left+time.Duration(float64(now.Sub(l.asOf))*l.costs.Rate))
	}
	l.asOf = now
}

// Spent tells what the scan of what was taken has cost. Later looks pay for it if some were in it.
func (q *Queue) Spent(cost time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := &q.later
	l.earn(time.Now())
	if l.owing {
		l.left -= cost
		l.owing = false
	}
}
