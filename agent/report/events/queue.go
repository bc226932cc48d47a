// SPDX-License-Identifier: Apache-2.0

package events

import (
	"time"

	"k8s.io/client-go/util/workqueue"
)

// How long a failed delivery waits, doubled with each failure.
const (
	minBackoff = 500 * time.Millisecond
	maxBackoff = time.Minute
)

type queue = workqueue.TypedRateLimitingInterface[*state]

func newQueue() queue {
	inner := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[*state]{Queue: new(urgentFirst)})
	return workqueue.NewTypedRateLimitingQueueWithConfig(
		backoff{workqueue.NewTypedItemExponentialFailureRateLimiter[*state](minBackoff, maxBackoff)},
		workqueue.TypedRateLimitingQueueConfig[*state]{
			DelayingQueue: workqueue.NewTypedDelayingQueueWithConfig(
				workqueue.TypedDelayingQueueConfig[*state]{Queue: inner},
			),
		},
	)
}

// backoff is exponential, but waits for as long as the API server has asked for.
type backoff struct {
	workqueue.TypedRateLimiter[*state]
}

// When returns how long a failed delivery waits.
func (b backoff) When(s *state) time.Duration {
	return max(b.TypedRateLimiter.When(s), min(s.asked, maxBackoff))
}

// urgentFirst orders a queue: what the agent says of itself, then Warnings that the API server
// does not have yet, then the rest that it does not have, then those that are refreshed.
type urgentFirst [4][]*state

// Touch does nothing: an Event that waits does not change its place.
func (*urgentFirst) Touch(*state) {}

// Push adds an Event.
func (q *urgentFirst) Push(s *state) {
	class := 3
	switch {
	case s.notice:
		class = 0
	case s.count.Load() > 0:
	case s.warns:
		class = 1
	default:
		class = 2
	}
	q[class] = append(q[class], s)
}

// Len returns how many Events wait.
func (q *urgentFirst) Len() int {
	n := 0
	for _, class := range q {
		n += len(class)
	}
	return n
}

// Pop returns the next Event.
func (q *urgentFirst) Pop() *state {
	for i, class := range q {
		if len(class) > 0 {
			s := class[0]
			class[0] = nil
			q[i] = class[1:]
			return s
		}
	}
	return nil // It is only called where there is one.
}
