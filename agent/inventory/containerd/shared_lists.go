// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"strings"
	"sync"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// Caps of the lists that are shared. What is above them is kept once a container.
const (
	maxSharedLists = 64
	maxSharedBytes = 4 << 10
)

// sharedLists keeps lists of texts that are the same in most security contexts once, such as the
// paths that every runtime masks.
type sharedLists struct {
	mu    sync.Mutex
	lists map[string][]string
}

func newSharedLists() *sharedLists { return &sharedLists{lists: make(map[string][]string)} }

// share replaces lists of a security context that is nobody else's yet.
func (s *sharedLists) share(security *inventory.Security) {
	if security == nil {
		return
	}
	if spec := security.Spec; spec != nil {
		spec.Masked, spec.ReadOnlyPaths = s.one(spec.Masked), s.one(spec.ReadOnlyPaths)
	}
	if request := security.Request; request != nil {
		request.Masked, request.ReadOnlyPaths = s.one(request.Masked), s.one(request.ReadOnlyPaths)
	}
}

// one returns the list that is kept of all that are equal.
func (s *sharedLists) one(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	key := strings.Join(list, "\x00")
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.lists[key]
	switch {
	case ok && len(known) == len(list):
		return known
	case ok: // A text with a 0 byte, which no path has.
		return list
	case len(s.lists) < maxSharedLists && len(key) <= maxSharedBytes:
		s.lists[key] = list
	}
	return list
}
