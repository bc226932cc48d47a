// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// withFile lets a process of a procfs have a socket open.
func withFile(t *testing.T, fs *nsinspect.FS, pid int, command string, inode uint64) {
	t.Helper()
	dir := filepath.Join(fs.Root(), fmt.Sprint(pid))
	scantest.Must(t, os.MkdirAll(dir+"/fd", 0o755))
	scantest.Must(t, os.Symlink(fmt.Sprintf("socket:[%d]", inode), filepath.Join(dir, "fd", fmt.Sprint(inode))))
	scantest.Must(t, os.WriteFile(dir+"/comm", []byte(command+"\n"), 0o600))
}

// resolverOf is a resolver in a scan of one container, to which a forward of the first
// listener's port leads.
func resolverOf(t *testing.T, fs *nsinspect.FS, cache *HolderCache, listeners ...socket.Socket) (*forwardResolver, *snapshot.Forward) {
	t.Helper()
	f, container := finderOf(cache, listeners)
	f.node.fs, f.node.owners = fs, owner.New(f.node.ref, nil)
	pids, err := fs.PIDs(t.Context())
	scantest.Must(t, err)
	for _, pid := range pids {
		f.files.other(pid, "") // All are the host's.
	}
	r := newForwardResolver(f.node, f.builder, nil, f)
	forward := nstest.Forward(listeners[0].Address.Port())
	shadows, more := r.shadowed(&forward, container)
	container.Forwards = []snapshot.Forward{{Forward: forward, Shadows: shadows, MoreShadows: more}}
	return r, &container.Forwards[0]
}

// TestShadowedListenersAreNamed has a listener of the host whose holder is known from before,
// has passed the socket on, or was never known.
func TestShadowedListenersAreNamed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		cached map[uint64]cachedSocket
		want   string
	}{
		"known from before":       {map[uint64]cachedSocket{22: {host: []int{50}}}, "sshd"},
		"held by another now":     {map[uint64]cachedSocket{22: {host: []int{40}}}, "sshd"},
		"held by a container":     {map[uint64]cachedSocket{22: {containers: []cachedHolder{{"c", snapshot.Holder{PID: 50}}}}}, "sshd"},
		"not there before":        {nil, "sshd"},
		"could not be named then": {map[uint64]cachedSocket{22: {}}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := scantest.Procfs(t, map[int]string{40: "/x", 50: "/y"})
			withFile(t, fs, 50, "sshd", 22)
			cache := new(HolderCache)
			cache.learn(listing{sockets: test.cached})
			r, forward := resolverOf(t, fs, cache, nstest.Listener(22))
			scantest.Must(t, r.nameShadowed(t.Context()))
			got := ""
			if holders := forward.Shadows[0].Holders; len(holders) > 0 {
				got = holders[0].Command
			}
			if got != test.want {
				t.Errorf("named %q, want %q", got, test.want)
			}
		})
	}
}

// TestPortsThatAreKeptAreNoShadows has more helpers of container runtimes on a port than a
// forward names, and one daemon behind them.
func TestPortsThatAreKeptAreNoShadows(t *testing.T) {
	t.Parallel()
	fs := scantest.Procfs(t, map[int]string{40: "/x", 50: "/y"})
	var listeners []socket.Socket
	for i := range maxShadows + 2 {
		listener := nstest.Listener(22)
		listener.Inode = uint64(100 + i)
		listeners = append(listeners, listener)
		withFile(t, fs, 40, "conmon", listener.Inode)
	}
	listeners = append(listeners, nstest.Listener(22))
	withFile(t, fs, 50, "sshd", 22)
	r, forward := resolverOf(t, fs, nil, listeners...)
	scantest.Must(t, r.nameShadowed(t.Context()))
	r.capShadows()
	if len(forward.Shadows) != 1 || forward.Shadows[0].Holders[0].Command != "sshd" || forward.MoreShadows != 0 {
		t.Errorf("shadows %+v, and %d more", forward.Shadows, forward.MoreShadows)
	}
}

// TestManyShadows has more daemons on a port than a forward names.
func TestManyShadows(t *testing.T) {
	t.Parallel()
	fs := scantest.Procfs(t, map[int]string{})
	var listeners []socket.Socket
	for i := range maxShadows + 2 {
		listener := nstest.Listener(22)
		listener.Inode = uint64(100 + i)
		listeners = append(listeners, listener)
	}
	r, forward := resolverOf(t, fs, nil, listeners...)
	r.capShadows()
	if len(forward.Shadows) != maxShadows || forward.MoreShadows != 2 {
		t.Errorf("%d shadows, and %d more", len(forward.Shadows), forward.MoreShadows)
	}
}

// TestPortsWithoutAHost has a scan that had nothing to compare with: nothing follows from a
// port that is missing.
func TestPortsWithoutAHost(t *testing.T) {
	t.Parallel()
	b := newBuilder(&snapshot.Snapshot{Host: nsinspect.HostReference{Reference: nsinspect.ByNone}}, nil)
	var unread snapshot.Unread
	b.markPorts(&unread)
	if len(unread.Sockets) != len(socket.Protocols()) || len(unread.Forwards) != 1 || unread.Forwards[0].Cause != snapshot.CauseHost {
		t.Errorf("unread %+v", unread)
	}
}
