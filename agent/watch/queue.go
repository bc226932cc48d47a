package watch

import (
	"maps"
	"slices"
	"sync"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// maxTargets is the number of containers above which one full scan is the cheaper look.
const maxTargets = 32

// queue is what the loop is to look at next: some containers, or everything.
type Queue struct {
	// ready has a value whenever there is something to take.
	Ready chan struct{}

	mu   sync.Mutex
	keys map[inventory.Key]struct{}
	full bool
}

func NewQueue() *Queue {
	return &Queue{Ready: make(chan struct{}, 1), keys: make(map[inventory.Key]struct{})}
}

// add asks for a look at one container.
func (q *Queue) Add(key inventory.Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.full {
		q.keys[key] = struct{}{}
		q.full = len(q.keys) > maxTargets
	}
	q.signal()
}

// addAll asks for a full scan.
func (q *Queue) AddAll() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.full = true
	q.signal()
}

func (q *Queue) signal() {
	select {
	case q.Ready <- struct{}{}:
	default: // The one that is there stands for all.
	}
}

// take empties the queue. Full makes the keys superfluous.
func (q *Queue) Take() (keys []inventory.Key, full bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	keys, full = slices.Collect(maps.Keys(q.keys)), q.full
	clear(q.keys)
	q.full = false
	return keys, full
}
