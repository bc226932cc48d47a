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
	inner := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[*state]{Queue: new(newFirst)})
	return workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[*state](minBackoff, maxBackoff),
		workqueue.TypedRateLimitingQueueConfig[*state]{
			DelayingQueue: workqueue.NewTypedDelayingQueueWithConfig(
				workqueue.TypedDelayingQueueConfig[*state]{Queue: inner},
			),
		},
	)
}

// newFirst orders a queue: Events that the API server does not have yet come before those
// that are refreshed.
type newFirst struct {
	created, refreshed []*state
}

// Touch does nothing: an Event that waits does not change sides.
func (*newFirst) Touch(*state) {}

// Push adds an Event.
func (q *newFirst) Push(s *state) {
	if s.count.Load() == 0 {
		q.created = append(q.created, s)
	} else {
		q.refreshed = append(q.refreshed, s)
	}
}

// Len returns how many Events wait.
func (q *newFirst) Len() int { return len(q.created) + len(q.refreshed) }

// Pop returns the next Event.
func (q *newFirst) Pop() *state {
	from := &q.created
	if len(*from) == 0 {
		from = &q.refreshed
	}
	s := (*from)[0]
	(*from)[0] = nil
	*from = (*from)[1:]
	return s
}
