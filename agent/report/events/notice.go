// SPDX-License-Identifier: Apache-2.0

package events

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nsaudit/nsaudit/agent/report"
)

// Notice reports something about the agent itself: a Warning about the Node, kept until Notice
// is called with an empty note. Then an Event of the type Normal says that it has ended. It does
// not wait for the API server.
func (r *Reporter) Notice(reason, note string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notice(reason, note, time.Now())
}

func (r *Reporter) notice(reason, note string, now time.Time) {
	known := r.states[reason]
	if note == "" {
		if known != nil && known.open() {
			r.end(known, known.event.over(), now)
		}
		return
	}
	e := newNotice(reason, note, r.node)
	// An Event's note can't be changed: another note is another Event.
	if known == nil || known.event.suffix != e.suffix {
		known = newState(e, r.generation, r.clock(), now)
		r.states[reason] = known
	} else if !known.reopen() {
		return
	}
	r.enqueue(known, now)
}

func newNotice(reason, note, nodeName string) event {
	return event{
		key:       reason,
		suffix:    noticeSuffix(nodeName, reason, note),
		reason:    reason,
		eventType: corev1.EventTypeWarning,
		node:      place{namespace: metav1.NamespaceDefault, regarding: nodeReference(nodeName)},
		verdict:   report.Clean(strings.Join(strings.Fields(note), " ")), // A note is one line.
	}
}

// over returns the Event that says that a notice has ended.
func (e *event) over() event {
	end := *e
	end.suffix = noticeSuffix(e.node.regarding.Name, e.reason, "") + endedSuffix
	end.reason += endedReason
	end.eventType = corev1.EventTypeNormal
	end.verdict = e.reason + " has ended."
	return end
}

// noticeSuffix is as long as the ID of a finding.
func noticeSuffix(nodeName, reason, note string) string {
	hash := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", nodeName, reason, note))
	return hex.EncodeToString(hash[:8])
}
