// SPDX-License-Identifier: Apache-2.0

package events

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1/convert"
)

// What the name and the reason of an Event end in that says that another one has ended.
const (
	endedSuffix = ".ended"
	endedReason = "Ended"
)

// ended returns the Event that says that a finding's Event has ended. The finding is as it was
// last, or as it is now if it lasts and warns no more.
func (e *event) ended(finding *audit.Finding, lasts bool) event {
	end := *e
	end.reason += endedReason
	end.eventType = corev1.EventTypeNormal
	end.suffix = finding.ID + endedSuffix
	end.annotations = annotationsOf(finding)
	// An Event's note can't be changed: another reason to end is another Event.
	switch ruling := finding.Ruling; {
	case lasts && ruling != nil:
		end.suffix += "." + shortHash(ruling.Rule)
		end.verdict = ": " + e.reason + " is covered by rule " + part(ruling.Rule) + " of the policy now: it" + e.verdict
	case lasts:
		end.suffix += "." + string(finding.Severity)
		end.verdict = ": " + e.reason + " is of severity " + string(finding.Severity) + " now, as no rule of the policy says otherwise: it" + e.verdict
	default:
		end.verdict = ": " + e.reason + formerPorts(finding) + " has ended."
	}
	return end
}

// formerPorts names the ports of a finding about ports. One that has other ports is another
// finding, so they may still be reachable.
func formerPorts(finding *audit.Finding) string {
	evidence := convert.Finding(finding, part).Evidence
	if len(evidence.Ports) == 0 {
		return ""
	}
	return " on host port " + report.Evidence(&evidence, limits())
}

// shortHash makes any text fit for a name.
func shortHash(text string) string {
	hash := sha256.Sum256([]byte(text))
	return hex.EncodeToString(hash[:4])
}

// endGone ends the Events of findings that the result says have ended, or that get none of the
// type now: a rule of the policy covers them, or none does any more that gave them their severity.
// What is just missing could not be seen, and lasts.
func (r *Reporter) endGone(result *audit.Result, now time.Time) {
	gone, lasting := make(map[string]*audit.Finding), make(map[string]bool)
	for _, finding := range result.Ended {
		gone[finding.ID] = finding
	}
	for i := range result.Findings {
		if finding := &result.Findings[i]; isAnnounced(finding) {
			gone[finding.ID], lasting[finding.ID] = finding, true
		}
	}
	for _, s := range r.states {
		finding := gone[s.event.finding]
		if finding == nil || r.present(s) || !s.open() {
			continue
		}
		r.end(s, s.event.ended(finding, lasting[finding.ID]), now)
	}
}

// end ends an Event with another one, unless the API server has never taken it and won't.
func (r *Reporter) end(s *state, e event, now time.Time) {
	if s.count.Load() == 0 && !s.dirty {
		delete(r.states, s.event.key)
		return
	}
	s.end = newState(e, r.generation, r.clock(), now)
	s.end.of = s
	r.scheduleEnd(s, now)
}

// scheduleEnd lets the end of an Event be sent, once the Event itself is. What comes back soon
// has not ended for people.
func (r *Reporter) scheduleEnd(s *state, now time.Time) {
	if s.end == nil || s.dirty {
		return
	}
	s.end.moved = s.end.moved || s.moved
	if due := s.sent.Add(restartInterval); due.After(s.end.due) {
		s.end.due = due
	}
	r.enqueue(s.end, now)
}
