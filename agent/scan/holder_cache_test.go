// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// finderOf is a finder in a scan of one container, with processes of these pids, on a host
// with these sockets.
func finderOf(cache *HolderCache, sockets []socket.Socket, pids ...int) (*socketFinder, *snapshot.Container) {
	box := inventory.Container{ID: "box", RuntimeName: runtimes.Containerd, RuntimeNamespace: "k8s.io", Sandbox: true, SandboxID: "box"}
	b := newBuilder(&snapshot.Snapshot{Host: nstest.Host(), Ports: &snapshot.PortCoverage{}}, []inventory.Container{box})
	container := b.container(box.Key())
	for _, pid := range pids {
		container.Processes = append(container.Processes, snapshot.Process{PID: pid})
	}
	n := &node{ref: nstest.Host(), kinds: judged()}
	f := newSocketFinder(n, b, newFileWalk(n, b, cache), cache, 0)
	f.listsAll = cache.begin(wholeNode)
	if !f.listsAll {
		for pid := range cache.holders() {
			f.watched[pid] = false
		}
	}
	f.index(socket.Table{Sockets: sockets})
	return f, container
}

// complete is what a scan does with what it found: where it lists all files, process 7 of the
// container and process 1 of the host hold the socket.
func complete(t *testing.T, f *socketFinder, container *snapshot.Container, running ...int) {
	t.Helper()
	for _, pid := range running {
		f.runs(pid)
	}
	if f.listsAll {
		f.of(container, &f.table.Sockets[0]).add(snapshot.Holder{PID: 7, Command: "web"})
		f.hostHolders[f.table.Sockets[0].Inode] = []snapshot.Holder{{PID: 1}}
	} else if f.unaccounted() {
		t.Fatal("a socket is not accounted for")
	}
	if err := f.complete(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.record()
}

// TestHolderCache has a socket that was passed to a process in another network: it is seen in
// every scan, and files are listed in some.
func TestHolderCache(t *testing.T) {
	t.Parallel()
	cache := new(HolderCache)
	sockets := []socket.Socket{nstest.Listener(8080)}
	var all []bool
	for range listEvery + 1 {
		f, container := finderOf(cache, sockets, 7)
		complete(t, f, container, 1, 7)
		all = append(all, f.listsAll)
		if found := container.Sockets; len(found) != 1 || found[0].Holders[0].Command != "web" {
			t.Fatalf("scan %d: sockets %+v", len(all), found)
		}
	}
	want := slices.Concat([]bool{true}, make([]bool, listEvery-1), []bool{true})
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("which scans list all files (-want +got):\n%s", diff)
	}
	f, container := finderOf(cache, sockets, 8) // Process 7 has ended, and with it what it held.
	complete(t, f, container, 1)
	if len(container.Sockets) != 0 {
		t.Errorf("sockets of a process that has ended: %+v", container.Sockets)
	}
	if pids, known := f.holdersBefore(8080); !known || !slices.Equal(pids, []int{1, 7}) {
		t.Errorf("processes that held the socket: %v, known %v", pids, known)
	}
	if _, known := f.holdersBefore(9090); known {
		t.Error("a socket that was never there is known")
	}
	if !cache.begin(listed) {
		t.Error("a look at single containers does not list their files")
	}
	if none := (*HolderCache)(nil); !none.begin(wholeNode) {
		t.Error("without a cache not all files are listed")
	}
}

// TestUnaccountedSockets has sockets of which the cache can't tell who holds them.
func TestUnaccountedSockets(t *testing.T) {
	t.Parallel()
	listener, other := nstest.Listener(8080), nstest.Listener(9090)
	question, server := nstest.Listener(40_000), nstest.Listener(53)
	question.Protocol, server.Protocol = socket.UDP, socket.UDP
	tests := map[string]struct {
		sockets []socket.Socket
		running []int
		want    bool
	}{
		"as before":                         {[]socket.Socket{listener}, []int{1, 7}, false},
		"one of two holders has ended":      {[]socket.Socket{listener}, []int{7}, false},
		"all that held it have ended":       {[]socket.Socket{listener}, nil, true},
		"a new listener":                    {[]socket.Socket{listener, other}, []int{1, 7}, true},
		"a client's question":               {[]socket.Socket{listener, question}, []int{1, 7}, false},
		"a new server of UDP":               {[]socket.Socket{listener, server}, []int{1, 7}, true},
		"gone with all that have held it":   {nil, nil, false},
		"other processes run and hold none": {[]socket.Socket{listener}, []int{2, 8}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := new(HolderCache)
			f, container := finderOf(cache, []socket.Socket{listener}, 7)
			complete(t, f, container)
			f, _ = finderOf(cache, test.sockets, 7)
			for _, pid := range test.running {
				f.runs(pid)
			}
			if got := f.unaccounted(); got != test.want {
				t.Errorf("unaccounted: %v, want %v", got, test.want)
			}
		})
	}
}

// TestSocketsInTheHostsNetwork has a socket that this scan has found itself: it needs no
// cache.
func TestSocketsInTheHostsNetwork(t *testing.T) {
	t.Parallel()
	cache := new(HolderCache)
	cache.learn(listing{})
	f, container := finderOf(cache, []socket.Socket{nstest.Listener(8080)}, 7)
	f.of(container, &f.table.Sockets[0]).add(snapshot.Holder{PID: 7})
	if f.unaccounted() {
		t.Error("a socket that is held in the host's network is not accounted for")
	}
}

// TestHoldersBeyondTheCap has a socket with more holders than a snapshot names.
func TestHoldersBeyondTheCap(t *testing.T) {
	t.Parallel()
	h := new(hold)
	for range 2 {
		h.add(snapshot.Holder{PID: 1}) // It stays one.
	}
	for pid := 2; pid <= maxHolders+3; pid++ {
		h.add(snapshot.Holder{PID: pid})
	}
	if len(h.holders) != maxHolders || h.more != 3 {
		t.Errorf("%d holders, and %d more", len(h.holders), h.more)
	}
}

// TestTargetedScanIsRemembered has a socket of the host that was passed to a container which
// started after all files were listed: the next full scan must not lose what the targeted one
// has found.
func TestTargetedScanIsRemembered(t *testing.T) {
	t.Parallel()
	cache := new(HolderCache)
	sockets := []socket.Socket{nstest.Listener(8080)}
	cache.learn(listing{sockets: map[uint64]cachedSocket{8080: {host: []int{1}}}})
	f, container := finderOf(cache, sockets, 7)
	f.node.scope = listed
	f.of(container, &f.table.Sockets[0]).add(snapshot.Holder{PID: 7, Command: "web"})
	if err := f.complete(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, passed := range []bool{true, false} {
		f, container = finderOf(cache, sockets, 7)
		f.runs(1)
		complete(t, f, container)
		if got := len(container.Sockets) == 1; got != passed {
			t.Errorf("passed on: %v, seen: %v", passed, got)
		}
		cache.update(listing{}, map[string]bool{"box": true}) // It has closed the socket since.
	}
}

// TestHoldersOfAContainerThatWasNamed has a container that only its cgroup named when all
// files were listed.
func TestHoldersOfAContainerThatWasNamed(t *testing.T) {
	t.Parallel()
	cache := new(HolderCache)
	sockets := []socket.Socket{nstest.Listener(8080)}
	f, container := finderOf(cache, sockets, 7)
	container.RuntimeName, container.RuntimeNamespace = "", ""
	complete(t, f, container)
	f, container = finderOf(cache, sockets, 7)
	complete(t, f, container, 1, 7)
	if len(container.Sockets) != 1 {
		t.Errorf("sockets %+v", container.Sockets)
	}
}

// TestUnlistedFilesAreRemembered has files that could not be listed when all were: that stays
// unknown in the scans in between.
func TestUnlistedFilesAreRemembered(t *testing.T) {
	t.Parallel()
	cache := new(HolderCache)
	f, container := finderOf(cache, []socket.Socket{nstest.Listener(8080)}, 7)
	f.unlisted = true
	f.gaps[container] = snapshot.Gap{Cause: snapshot.CauseLimit, Detail: "too many"}
	complete(t, f, container)
	for range 2 {
		f, container = finderOf(cache, []socket.Socket{nstest.Listener(8080)}, 7)
		complete(t, f, container, 1)
		if len(container.Unread.Gaps) != 0 || len(container.Unread.Sockets) == 0 || len(f.builder.snap.Coverage.Gaps) != 1 {
			t.Errorf("unread of the container %+v, gaps of the node %v", container.Unread, f.builder.snap.Coverage.Gaps)
		}
	}
}

// TestTransientHolders has a socket whose holders are processes that have left the container.
func TestTransientHolders(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		hold    hold
		sockets int
		holders int
	}{
		"all have left":             {hold{holders: []snapshot.Holder{{PID: 8}}}, 0, 0},
		"one stays":                 {hold{holders: []snapshot.Holder{{PID: 8}, {PID: 7}}}, 1, 1},
		"made in the cgroup":        {hold{made: true, holders: []snapshot.Holder{{PID: 8}}}, 1, 0},
		"others are beyond the cap": {hold{holders: []snapshot.Holder{{PID: 8}}, more: 1}, 1, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, container := finderOf(nil, []socket.Socket{nstest.Listener(8080)}, 7)
			*f.of(container, &f.table.Sockets[0]) = test.hold
			f.record()
			if len(container.Sockets) != test.sockets || len(f.held[container]) != test.sockets {
				t.Fatalf("%d sockets in the snapshot, %d held", len(container.Sockets), len(f.held[container]))
			}
			if test.sockets > 0 && len(f.withHolders(&f.table.Sockets[0]).Holders) != test.holders {
				t.Errorf("holders %+v", f.withHolders(&f.table.Sockets[0]).Holders)
			}
		})
	}
}
