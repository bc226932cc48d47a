// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TestRotation has a process with threads that nothing hints at: each has its turn, and one that
// differs is read from then on.
func TestRotation(t *testing.T) {
	t.Parallel()
	own := uint32(os.Getuid()) // Whose the files of the fixture are.
	b := newBox(t, 1)
	b.memory, b.containers[0].Security = new(ContextCache), scantest.Confined(own)
	const many = 2*rotation + 1
	threads := make([]nsinspect.Credentials, many)
	for i := range threads {
		threads[i] = scantest.User(own)
	}
	threads[5].Seccomp = nsinspect.SeccompDisabled // As its owner does not tell.
	scantest.Become(t, b.fs, initOf(0), threads...)
	found, read := 0, 0
	for round := range rotation {
		c := &b.scan(t, Lean, nil).Containers[0]
		total := 0
		for _, group := range c.Processes[0].Credentials {
			total += group.Threads
		}
		if total < 3 || total > 5 {
			t.Errorf("round %d: %d threads were read of %d", round, total, many)
		}
		read += total
		if len(weaker(c)) > 0 {
			found++
		} else if found > 0 {
			t.Errorf("round %d: it was found, and is not any more", round)
		}
	}
	if found == 0 || read < many {
		t.Errorf("it was found in %d of %d rounds, with %d reads", found, rotation, read)
	}
	if full := &b.scan(t, Full, nil).Containers[0]; len(weaker(full)) != 1 {
		t.Errorf("a full scan found %q", weaker(full))
	}
}

// TestOwnersDiffer has a thread of another user: it is read at once.
func TestOwnersDiffer(t *testing.T) {
	t.Parallel()
	m := new(ContextCache).begin()
	v := &visit{memory: m, depth: Lean, pid: 5, leader: 0, owner: uid, context: newContext(new(snapshot.Container))}
	for owner, want := range map[uint32]bool{uid: false, 0: true} {
		if got := v.Wants(rotation+1, owner); got != want {
			t.Errorf("a thread of user %d is read: %t", owner, got)
		}
	}
	v.leader = -1
	if !v.Wants(rotation+1, uid) {
		t.Error("without a leader there is nothing to compare with, and the thread is not read")
	}
}

// TestRoomForWeakerThreads has a process that makes threads with fewer rights than its leader, and then
// some with more. Half of the room is for the latter.
func TestRoomForWeakerThreads(t *testing.T) {
	t.Parallel()
	container := &snapshot.Container{Container: inventory.Container{ID: "a", Security: scantest.Confined(uid)}}
	m := new(ContextCache).begin()
	v := &visit{memory: m, pid: 1, leader: -1, context: newContext(container)}
	next := 1
	visit := func(count int, change func(*nsinspect.Credentials)) int {
		for range count {
			credentials := scantest.User(uid)
			change(&credentials)
			v.Visit(&nsinspect.Reading{TID: next, Credentials: &credentials})
			next++
		}
		return len(m.now.differing[container.Key()])
	}
	if got := visit(1, func(*nsinspect.Credentials) {}); got != 0 {
		t.Errorf("%d threads differ, and there is only the leader", got)
	}
	if got := visit(maxDiffering, func(c *nsinspect.Credentials) { c.Bounding = 0 }); got != maxDiffering/2 {
		t.Errorf("%d threads with fewer rights are remembered, want %d", got, maxDiffering/2)
	}
	if got := visit(maxDiffering, func(c *nsinspect.Credentials) { c.UIDs.Saved = 0 }); got != maxDiffering {
		t.Errorf("with those that have more, %d are remembered, want %d", got, maxDiffering)
	}
	if !m.now.differing[container.Key()][thread{1, maxDiffering + 2}] {
		t.Error("the first thread with more rights is not remembered")
	}
}

// TestContextCacheIsBounded has a container with more threads and mounts than are remembered.
func TestContextCacheIsBounded(t *testing.T) {
	t.Parallel()
	cache, key := new(ContextCache), inventory.Key{ID: "a"}
	m := cache.begin()
	for tid := range 2 * maxDiffering {
		m.differs(key, thread{1, tid}, true)
	}
	many := strings.Repeat("613 612 0:80 / /proc rw - proc proc rw\n", maxKnownMounts+1)
	if _, err := m.parse(key, []byte(many)); err != nil {
		t.Fatal(err)
	}
	cache.learn(m, wholeNode)
	if len(cache.differing[key]) != maxDiffering || len(cache.mounts) != 0 {
		t.Errorf("%d threads and the mounts of %d containers are remembered", len(cache.differing[key]), len(cache.mounts))
	}
	cache.learn(cache.begin(), wholeNode)
	if len(cache.differing) != 0 {
		t.Error("a container that is gone is remembered")
	}
}

// TestContextCacheOfTargetedScans has scans of single containers between those of all.
func TestContextCacheOfTargetedScans(t *testing.T) {
	t.Parallel()
	cache, line := new(ContextCache), "613 612 0:80 / /proc rw - proc proc rw\n"
	keys := []inventory.Key{{ID: "a"}, {ID: "b"}}
	m := cache.begin()
	for _, key := range keys {
		if _, err := m.parse(key, []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	cache.learn(m, wholeNode)
	some := cache.begin()
	if got, err := some.parse(keys[0], []byte(line+line)); err != nil || len(got) != 2 {
		t.Errorf("the mounts that have changed: %v, %v", got, err)
	}
	cache.learn(some, listed)
	var got []string
	for _, key := range keys {
		got = append(got, fmt.Sprintf("%s %d", key.ID, len(cache.mounts[key].mounts)))
	}
	if diff := cmp.Diff([]string{"a 2", "b 1"}, got); diff != "" || cache.number != 1 {
		t.Errorf("after %d full scans (-want +got):\n%s", cache.number, diff)
	}
	if _, err := some.parse(keys[0], []byte("x\n")); err == nil {
		t.Error("a text of another form was parsed")
	}
	// Nil remembers nothing.
	var none *ContextCache
	none.learn(none.begin(), wholeNode)
}
