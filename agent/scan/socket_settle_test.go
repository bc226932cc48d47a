// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"net/netip"
	"testing"

	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// TestStays has a socket of UDP, and what a second look shows.
func TestStays(t *testing.T) {
	t.Parallel()
	of := func(port uint16, inode uint64) socket.Socket {
		s := nstest.Listener(port)
		s.Protocol, s.Inode = socket.UDP, inode
		return s
	}
	elsewhere, tcp := of(53, 9), of(53, 9)
	elsewhere.Address, tcp.Protocol = netip.MustParseAddrPort("127.0.0.1:53"), socket.TCP
	tests := map[string]struct {
		first, others []socket.Socket
		again         []socket.Socket
		want          bool
	}{
		"the same":                            {again: []socket.Socket{of(53, 7)}, want: true},
		"none":                                {},
		"another, of the same port":           {again: []socket.Socket{of(53, 9)}, want: true},
		"another, that was there before":      {others: []socket.Socket{of(53, 9)}, again: []socket.Socket{of(53, 9)}},
		"another, of another address":         {again: []socket.Socket{elsewhere}},
		"another, of another protocol":        {again: []socket.Socket{tcp}},
		"another client's with the same port": {first: []socket.Socket{of(40_000, 7)}, again: []socket.Socket{of(40_000, 9)}},
	}
	for name, test := range tests {
		if test.first == nil {
			test.first = []socket.Socket{of(53, 7)}
		}
		f, _ := finderOf(new(HolderCache), append(test.first, test.others...))
		if got := f.stays(socket.Table{Sockets: test.again})(&f.table.Sockets[0]); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}
