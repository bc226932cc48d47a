// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"crypto/sha256"
	"maps"
	"sync"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

const (
	// rotation is the number of lean scans of which one reads the credentials of a thread that
	// nothing hints at.
	rotation = 16
	// maxDiffering caps the threads of one container that are remembered.
	maxDiffering = 256
	// maxKnownMounts caps the mounts of a mount namespace that are remembered. A privileged
	// container with a user namespace has 120.
	maxKnownMounts = 1024
)

// ContextCache remembers from one scan to the next what a lean one does not read each time: which
// threads have other credentials than their leader, and the mounts of containers, which are decoded
// again only if their text has changed. Its zero value is ready for use; nil remembers nothing.
type ContextCache struct {
	mu sync.Mutex
	contextRound
}

// contextRound is what one scan knew and saw.
type contextRound struct {
	// number counts the full scans.
	number int
	// differing are threads by their container, and mounts are by container too. The host's are
	// at the empty key.
	differing map[inventory.Key]map[thread]bool
	mounts    map[inventory.Key]knownMounts
}

// thread is a thread of a process. The ids may have been given out again, which costs one look at
// another thread.
type thread struct{ pid, tid int }

// knownMounts are the mounts that a text of this hash lists.
type knownMounts struct {
	hash   [sha256.Size]byte
	mounts []nsinspect.Mount
}

// contextMemory is the cache as one scan uses it.
type contextMemory struct {
	before, now contextRound
}

// begin returns what is known, for one scan.
func (c *ContextCache) begin() *contextMemory {
	m := &contextMemory{now: contextRound{
		differing: make(map[inventory.Key]map[thread]bool),
		mounts:    make(map[inventory.Key]knownMounts),
	}}
	if c == nil {
		return m
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// A targeted scan changes the maps of what is known: see learn.
	m.before = contextRound{c.number, maps.Clone(c.differing), maps.Clone(c.mounts)}
	return m
}

// learn takes over what a scan saw that came to its end. A targeted one saw some containers only.
func (c *ContextCache) learn(m *contextMemory, scope scope) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if scope == wholeNode || c.differing == nil {
		number := c.number + 1
		c.contextRound = m.now
		c.number = number
		return
	}
	maps.Copy(c.differing, m.now.differing)
	maps.Copy(c.mounts, m.now.mounts)
}

// isDue reports whether a thread that nothing hints at is to be read in this scan: it differed from
// its leader before, or its turn has come.
func (m *contextMemory) isDue(key inventory.Key, t thread) bool {
	return m.before.differing[key][t] || (t.tid+m.before.number)%rotation == 0
}

// differs notes that a thread has other credentials than its leader. Half of the room is for those
// that look weaker than the spec: any process may make some that are more restricted.
func (m *contextMemory) differs(key inventory.Key, t thread, weaker bool) {
	if m.now.differing[key] == nil {
		m.now.differing[key] = make(map[thread]bool)
	}
	if n := len(m.now.differing[key]); n < maxDiffering/2 || weaker && n < maxDiffering {
		m.now.differing[key][t] = true
	}
}

// parse decodes the text of the mounts of a container, unless it is the same as before.
func (m *contextMemory) parse(key inventory.Key, text []byte) ([]nsinspect.Mount, error) {
	hash := sha256.Sum256(text)
	known, ok := m.before.mounts[key]
	if !ok || known.hash != hash {
		mounts, err := nsinspect.ParseMounts(text)
		if err != nil {
			return nil, err
		}
		known = knownMounts{hash, mounts}
	}
	if len(known.mounts) <= maxKnownMounts {
		m.now.mounts[key] = known
	}
	return known.mounts, nil
}
