// SPDX-License-Identifier: Apache-2.0

package events

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// The agents of a cluster share a service account, and the API server lets 300 requests of one
// account wait before it refuses more. So each agent sends what has come about at once up to a
// burst, and then at a rate:
//
//   - A node has about 15 findings if none is left out: a network plugin's agent, a CSI driver,
//     node-exporter, a log agent, kube-proxy. Such a node never waits. When a tenth of 5,000 agents
//     restarts, which they spread over a minute, that is 125 Events a second.
//   - An agent keeps at most 5,000 Events, and refreshes each within 24 minutes of the usual hour:
//     3.5 a second. A lower rate would let them expire.
//   - 500 findings at once, as when a policy was broken, are sent in 100 seconds. 100 such nodes send
//     500 Events a second, which is what the leases of 5,000 nodes cost.
const (
	eventRate  = 5
	eventBurst = 15
)

// The notice of Events that wait: for ones that wait longer than people would notice.
const (
	delayedReason = "EventsDelayed"
	tolerated     = 10 * eventRate
)

func newBucket() *rate.Limiter { return rate.NewLimiter(eventRate, eventBurst) }

// pay takes a token, or waits for one, and reports whether there was one before the context
// ended.
func (r *Reporter) pay(ctx context.Context, queue queue) bool {
	if r.bucket.Allow() {
		return true
	}
	r.delayed(queue.Len() + 1)
	return r.bucket.Wait(ctx) == nil
}

// delayed says that Events wait, if many do.
func (r *Reporter) delayed(waiting int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if waiting <= tolerated {
		return
	}
	now := time.Now()
	known := r.states[delayedReason]
	if known == nil {
		r.notice(delayedReason, fmt.Sprintf("About %d Events of this node wait: its agent sends %d a second. "+
			"The metric nsaudit_events_pending counts those that the API server does not have yet.", waiting, eventRate), now)
		return
	}
	if known.reopen() {
		r.enqueue(known, now)
	}
}

// caughtUp takes the notice back once no Event waits.
func (r *Reporter) caughtUp() {
	if r.queue != nil && r.queue.Len() == 0 {
		r.notice(delayedReason, "", time.Now())
	}
}
