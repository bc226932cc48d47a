// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"testing"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

func TestQueue(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		add, keys int
		all, full bool
	}{
		"nothing":                             {},
		"some containers":                     {add: 3, keys: 3},
		"as many as targeted scans are for":   {add: maxTargets, keys: maxTargets},
		"a burst of containers is everything": {add: maxTargets + 1, keys: maxTargets + 1, full: true},
		"everything":                          {all: true, full: true},
		"everything makes the rest needless":  {all: true, add: 3, full: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := NewQueue(Costs{}, nil)
			if test.all {
				q.AddAll()
			}
			for i := range test.add {
				q.Add(inventory.Key{ID: fmt.Sprint(i)})
				q.Add(inventory.Key{ID: fmt.Sprint(i)}) // Twice is once.
			}
			if signalled := len(q.Ready()) == 1; signalled != (test.all || test.add > 0) {
				t.Errorf("ready: %v", signalled)
			}
			if keys, full := q.Take(); len(keys) != test.keys || full != test.full {
				t.Errorf("took %d keys, full %v", len(keys), full)
			}
			if keys, full := q.Take(); len(keys) != 0 || full {
				t.Errorf("took %d keys, full %v from an empty queue", len(keys), full)
			}
		})
	}
}
