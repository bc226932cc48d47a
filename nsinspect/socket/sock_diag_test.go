// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// ownSockDiag asks about this process's own network, for which it takes no right.
func ownSockDiag(t *testing.T) *sockDiag {
	t.Helper()
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fs.Close() })
	host, err := fs.Host(nil, nsinspect.HostCandidate{Reference: nsinspect.ByHostPID, PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	diag := &sockDiag{host: host}
	t.Cleanup(diag.close)
	return diag
}

// A dump that is cut leaves nothing behind that the next one could be mixed up with.
func TestSockDiagIsCapped(t *testing.T) {
	var listeners []netip.AddrPort
	for range 5 {
		listeners = append(listeners, listenTCP(t))
	}
	diag := ownSockDiag(t)
	cut := socketList{limit: len(listeners) - 2}
	if err := diag.list(t.Context(), TCP, &cut); err != nil || !cut.truncated || len(cut.sockets) != cut.limit {
		t.Fatalf("list = %v, found %+v", err, cut)
	}
	for _, protocol := range []Protocol{UDP, TCP} {
		found := newSocketList()
		if err := diag.list(t.Context(), protocol, &found); err != nil || found.truncated {
			t.Fatalf("list of %s = %v, truncated: %t", protocol, err, found.truncated)
		}
		for _, listener := range listeners {
			seen := slices.ContainsFunc(found.sockets, func(s Socket) bool { return s.Address == listener })
			if seen != (protocol == TCP) {
				t.Errorf("%s has %v: %t", protocol, listener, seen)
			}
		}
	}
}

// What the kernel does not know is no error of the connection, which is used on.
func TestSockDiagOfUnknownProtocol(t *testing.T) {
	listener := listenTCP(t)
	diag := ownSockDiag(t)
	if err := diag.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn := diag.conn
	err := diag.dump(t.Context(), "none", diagProtocol{number: unix.IPPROTO_ENCAP, state: stateClose}, unix.AF_INET, &socketList{})
	if !errors.Is(err, unix.ENOENT) {
		t.Errorf("dump = %v, want %v", err, unix.ENOENT)
	}
	found := newSocketList()
	if err := diag.list(t.Context(), TCP, &found); err != nil || diag.conn != conn {
		t.Fatalf("list = %v, over the same connection: %t", err, diag.conn == conn)
	}
	if !slices.ContainsFunc(found.sockets, func(s Socket) bool { return s.Address == listener }) {
		t.Errorf("%v is not in %+v", listener, found.sockets)
	}
}
