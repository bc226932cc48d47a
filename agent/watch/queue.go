// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"maps"
	"slices"
	"sync"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// maxTargets is the number of containers above which one full scan is cheaper.
const maxTargets = 32

// Queue is what is to be scanned next: some containers, or the whole node.
type Queue struct {
	ready chan struct{}
	// mayEnter reports whether a container can enter a namespace of the host.
	mayEnter func(inventory.Key) bool

	mu    sync.Mutex
	keys  map[inventory.Key]struct{}
	full  bool
	later later
}

// NewQueue returns an empty queue. The costs are what later looks may take altogether. Where a program
// was started in a container, the look is soon if mayEnter says that the container can enter a
// namespace of the host.
func NewQueue(costs Costs, mayEnter func(inventory.Key) bool) *Queue {
	return &Queue{ready: make(chan struct{}, 1), mayEnter: mayEnter, keys: make(map[inventory.Key]struct{}), later: newLater(costs)}
}

// Ready returns a channel that has a value whenever there is something to take.
func (q *Queue) Ready() <-chan struct{} { return q.ready }

// Add asks for a scan of one container.
func (q *Queue) Add(key inventory.Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(key)
}

func (q *Queue) add(key inventory.Key) {
	if !q.full {
		q.keys[key] = struct{}{}
		q.full = len(q.keys) > maxTargets
	}
	q.signal()
}

// AddAll asks for a full scan.
func (q *Queue) AddAll() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.full = true
	q.signal()
}

func (q *Queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default: // The one that is there stands for all.
	}
}

// Take empties the queue. With full, the keys say nothing more.
func (q *Queue) Take() (keys []inventory.Key, full bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	keys, full = slices.Collect(maps.Keys(q.keys)), q.full
	clear(q.keys)
	q.full = false
	return keys, full
}
