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
	inner := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[*state]{Queue: newTurns()})
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
