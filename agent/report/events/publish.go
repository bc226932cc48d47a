// SPDX-License-Identifier: Apache-2.0

package events

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/logkey"
)

// omittedReason is the reason of the notice that findings get no Event.
const omittedReason = "EventsOmitted"

// Publish makes the findings of a result the ones that Events are kept of. It does not wait
// for the API server.
func (r *Reporter) Publish(result *audit.Result) {
	now, stamp := time.Now(), r.clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.generation++
	var added []event
	for _, e := range r.eventsOf(result) {
		if e.eventType == corev1.EventTypeWarning {
			delete(r.states, e.finding+normalSuffix) // A finding has one Event.
		}
		s, ok := r.states[e.key]
		if !ok {
			added = append(added, e)
			continue
		}
		if s.observe(e, r.generation, stamp) {
			r.enqueue(s, now)
		}
	}
	r.endGone(result, now)
	r.add(added, now, stamp)
	// Without a runtime, findings have no names yet: all of them are still to come.
	r.started = r.started || result.Snapshot.Inventory.Source != inventory.FromCgroups
}

// present reports whether what an Event is about was there when the node was last looked at.
func (r *Reporter) present(s *state) bool {
	return s.open() && (s.notice || s.generation == r.generation)
}

// add takes Events that are not known yet, as far as there is room: for one pod, and for all.
// Those of the start are spread, as all agents of a cluster may start at once.
func (r *Reporter) add(events []event, now, stamp time.Time) {
	omitted := 0
	all, kept := r.kept()
	for _, e := range events {
		// Two containers may be one to people, as an old and a new one of the same name are.
		if _, ok := r.states[e.key]; ok {
			continue
		}
		if all >= r.limit || kept[e.owner] >= r.ownerLimit {
			omitted++
			continue
		}
		all++
		kept[e.owner]++
		due := now
		if !r.started && r.spread > 0 {
			due = now.Add(rand.N(r.spread)) //nolint:gosec // It spreads load; guessing it gains nothing.
		}
		s := newState(e, r.generation, stamp, due)
		r.states[e.key] = s
		r.enqueue(s, now)
	}
	if omitted > 0 && r.omitted == 0 {
		r.logger.Warn("Too many findings: some get no event", slog.Int(logkey.Limit, r.limit), slog.Int(logkey.Omitted, omitted))
	}
	r.omitted = omitted
	r.noticeOmitted(now)
}

// kept counts the Events about findings, all and those of each pod.
func (r *Reporter) kept() (all int, ofPod map[string]int) {
	ofPod = make(map[string]int)
	for _, s := range r.states {
		if !s.notice {
			all++
			ofPod[s.owner]++
		}
	}
	return all, ofPod
}

// noticeOmitted says on the Node that findings get no Event, or that all do again.
func (r *Reporter) noticeOmitted(now time.Time) {
	note := ""
	if r.omitted > 0 {
		note = fmt.Sprintf("Some findings of this node get no Event: its agent keeps at most %d, and %d of one pod. "+
			"The metrics and nsaudit scan have all of them.", r.limit, r.ownerLimit)
	}
	r.notice(omittedReason, note, now)
}
