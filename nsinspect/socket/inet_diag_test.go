// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// compareAddresses lets cmp compare what it can't look into.
func compareAddresses() cmp.Option {
	return cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })
}

// Answers of Linux 6.18 on amd64.
const (
	tcp4Loopback = "020a000046a000007f0000010000000000000000000000000000000000000000000000000000000000000000060000000000000000000000000000000010000000000000e97f0200050008000000000008000f00000000000c00150001000000000000000600160052000000"
	tcp6Loopback = "0a0a000046a30000000000000000000000000000000000010000000000000000000000000000000000000000070000000000000000000000000000000010000000000000ef7f0200050008000000000005000b000100000008000f00000000000c00150001000000000000000600160012000000"
	tcp6Dual     = "0a0a000046a10000000000000000000000000000000000000000000000000000000000000000000000000000080000000000000000000000000000000010000000000000eb7f0200050008000000000005000b000000000008000f00000000000c00150001000000000000000600160012000000"
	tcp6Only     = "0a0a000046a20000000000000000000000000000000000000000000000000000000000000000000000000000090000000000000000000000000000000010000000000000ed7f0200050008000000000005000b000100000008000f00000000000c00150001000000000000000600160012000000"
	udp4Any      = "0207000046a400000000000000000000000000000000000000000000000000000000000000000000000000000a0000000000000000000000000000000000000000000000f17f0200050008000000000008000f00000000000c00150001000000000000000600160050000000"
	udp6Mapped   = "0a07000046a6000000000000000000000000ffff7f00000100000000000000000000000000000000000000000b0000000000000000000000000000000000000000000000f27f0200050008000000000005000b000000000008000f00000000000c00150001000000000000000600160010000000"
)

// sctpSome is the answer of Linux 6.1 about an endpoint with three addresses, each of which
// fills a struct sockaddr_storage.
func sctpSome() string {
	zeros := func(n int) string { return strings.Repeat("00", n) }
	return "020a00000b5a00007f000103" + zeros(32) + "0200000000000000" + zeros(8) + "05000000000000002b050000" +
		"0500080000000000" + "08000f0000000000" + "0c0015000100000000000000" + "0600160050000000" + "84010c00" +
		"02000b5a7f000101" + zeros(120) + "02000b5a7f000102" + zeros(120) + "02000b5a7f000103" + zeros(120)
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAddDiagMessage(t *testing.T) {
	withoutAttributes := tcp6Dual[:2*diagMessageSize]
	tests := map[string]struct {
		protocol Protocol
		message  string
		want     []Socket
	}{
		"IPv4":                                   {TCP, tcp4Loopback, []Socket{{Protocol: TCP, Address: netip.MustParseAddrPort("127.0.0.1:18080"), Inode: 163817, Cgroup: 1}}},
		"IPv6":                                   {TCP, tcp6Loopback, []Socket{{Protocol: TCP, Address: netip.MustParseAddrPort("[::1]:18083"), Inode: 163823, Cgroup: 1}}},
		"both":                                   {TCP, tcp6Dual, []Socket{{Protocol: TCP, Address: netip.MustParseAddrPort("[::]:18081"), DualStack: true, Inode: 163819, Cgroup: 1}}},
		"IPv6 only":                              {TCP, tcp6Only, []Socket{{Protocol: TCP, Address: netip.MustParseAddrPort("[::]:18082"), Inode: 163821, Cgroup: 1}}},
		"UDP":                                    {UDP, udp4Any, []Socket{{Protocol: UDP, Address: netip.MustParseAddrPort("0.0.0.0:18084"), Inode: 163825, Cgroup: 1}}},
		"a socket of IPv6 on an address of IPv4": {UDP, udp6Mapped, []Socket{{Protocol: UDP, Address: netip.MustParseAddrPort("127.0.0.1:18086"), Inode: 163826, Cgroup: 1}}},
		"SCTP": {SCTP, sctpSome(), []Socket{
			{Protocol: SCTP, Address: netip.MustParseAddrPort("127.0.1.1:2906"), Inode: 1323, Cgroup: 1},
			{Protocol: SCTP, Address: netip.MustParseAddrPort("127.0.1.2:2906"), Inode: 1323, Cgroup: 1},
			{Protocol: SCTP, Address: netip.MustParseAddrPort("127.0.1.3:2906"), Inode: 1323, Cgroup: 1},
		}},
		"without attributes, nothing is ruled out": {TCP, withoutAttributes, []Socket{{Protocol: TCP, Address: netip.MustParseAddrPort("[::]:18081"), DualStack: true, Inode: 163819}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			found := newSocketList()
			if err := addDiagMessage(&found, test.protocol, unhex(t, test.message)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, found.sockets, compareAddresses()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// diagMessage makes a struct inet_diag_msg with attributes.
func diagMessage(family uint8, port uint16, attributes ...[]byte) []byte {
	data := make([]byte, diagMessageSize)
	data[0] = family
	binary.BigEndian.PutUint16(data[diagPortAt:], port)
	binary.NativeEndian.PutUint32(data[diagUIDAt:], 1000)
	binary.NativeEndian.PutUint32(data[diagInodeAt:], 42)
	for _, attribute := range attributes {
		data = append(data, attribute...)
	}
	return data
}

// attribute makes a struct nlattr, padded as the kernel does (netlink(7)).
func diagAttribute(kind uint16, value []byte) []byte {
	data := make([]byte, 4, 4+len(value)+3)
	binary.NativeEndian.PutUint16(data, uint16(4+len(value))) //nolint:gosec // Values are short.
	binary.NativeEndian.PutUint16(data[2:], kind)
	data = append(data, value...)
	return append(data, make([]byte, -len(data)&3)...)
}

// sockaddr makes a struct sockaddr_storage.
func sockaddr(address string) []byte {
	data := make([]byte, sockaddrStorageSize)
	ip := netip.MustParseAddr(address)
	if ip.Is4() {
		binary.NativeEndian.PutUint16(data, unix.AF_INET)
		copy(data[4:], ip.AsSlice())
	} else {
		binary.NativeEndian.PutUint16(data, unix.AF_INET6)
		copy(data[8:], ip.AsSlice())
	}
	return data
}

// An SCTP socket listens on each of its addresses.
func TestAddDiagMessageOfSCTP(t *testing.T) {
	locals := append(append(sockaddr("192.0.2.1"), sockaddr("fd00::1")...), sockaddr("::")...)
	message := diagMessage(unix.AF_INET6, 2905, diagAttribute(diagV6Only, []byte{0}), diagAttribute(diagLocals, locals))
	found := newSocketList()
	if err := addDiagMessage(&found, SCTP, message); err != nil {
		t.Fatal(err)
	}
	want := []Socket{
		{Protocol: SCTP, Address: netip.MustParseAddrPort("192.0.2.1:2905"), Inode: 42, UID: 1000},
		{Protocol: SCTP, Address: netip.MustParseAddrPort("[fd00::1]:2905"), Inode: 42, UID: 1000},
		{Protocol: SCTP, Address: netip.MustParseAddrPort("[::]:2905"), DualStack: true, Inode: 42, UID: 1000},
	}
	if diff := cmp.Diff(want, found.sockets, compareAddresses()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAddDiagMessageRefuses(t *testing.T) {
	whole := diagMessage(unix.AF_INET, 80)
	tests := map[string][]byte{
		"nothing":                      {},
		"half a message":               whole[:len(whole)-1],
		"another family":               diagMessage(unix.AF_UNIX, 80),
		"an attribute cut off":         diagMessage(unix.AF_INET, 80, diagAttribute(diagCgroupID, make([]byte, 8))[:8]),
		"a cgroup of half the size":    diagMessage(unix.AF_INET, 80, diagAttribute(diagCgroupID, make([]byte, 4))),
		"a flag of more than its size": diagMessage(unix.AF_INET6, 80, diagAttribute(diagV6Only, make([]byte, 2))),
	}
	for name, message := range tests {
		t.Run(name, func(t *testing.T) {
			found := newSocketList()
			if err := addDiagMessage(&found, TCP, message); err == nil || len(found.sockets) > 0 {
				t.Errorf("addDiagMessage = %v, found %+v", err, found.sockets)
			}
		})
	}
}

// A socket without a port takes in nothing.
func TestAddDiagMessageWithoutPort(t *testing.T) {
	found := newSocketList()
	if err := addDiagMessage(&found, UDP, diagMessage(unix.AF_INET, 0)); err != nil || len(found.sockets) > 0 {
		t.Errorf("addDiagMessage = %v, found %+v", err, found.sockets)
	}
}

func TestSocketListIsCapped(t *testing.T) {
	found := newSocketList()
	found.limit = 10
	for range found.limit {
		if !found.add(Socket{Protocol: TCP}) {
			t.Fatalf("no room after %d sockets", len(found.sockets))
		}
	}
	if found.truncated || found.add(Socket{Protocol: TCP}) || !found.truncated || len(found.sockets) != found.limit {
		t.Errorf("%d sockets, truncated: %t", len(found.sockets), found.truncated)
	}
}

func TestDiagRequest(t *testing.T) {
	for protocol, want := range map[Protocol]string{TCP: "0a06000000040000", UDP: "0a11000080000000", SCTP: "0a84000000040000", UDPLite: "0a88000080000000"} {
		request := diagRequest(unix.AF_INET6, diagProtocolOf(protocol))
		if got := hex.EncodeToString(request[:8]); got != want || len(request) != diagRequestSize {
			t.Errorf("%s: the request starts with %s, want %s", protocol, got, want)
		}
	}
}

func FuzzAddDiagMessage(f *testing.F) {
	for _, text := range []string{tcp4Loopback, tcp6Dual, udp6Mapped, sctpSome()} {
		f.Add(unhex(f, text))
	}
	f.Add(diagMessage(unix.AF_INET, 2905, diagAttribute(diagLocals, sockaddr("192.0.2.1"))))
	f.Add(diagMessage(unix.AF_INET6, 2905, diagAttribute(diagLocals, sockaddr("::1")[:10])))
	f.Fuzz(func(t *testing.T, data []byte) {
		found := newSocketList()
		err := addDiagMessage(&found, SCTP, data)
		if err != nil && len(found.sockets) > 0 {
			t.Errorf("%d sockets with the error %v", len(found.sockets), err)
		}
		if limit := 1 + len(data)/sockaddrStorageSize; len(found.sockets) > limit {
			t.Errorf("%d sockets in %d bytes", len(found.sockets), len(data))
		}
		for _, socket := range found.sockets {
			if !socket.Address.IsValid() || socket.Address.Port() == 0 || socket.Address.Addr().Is4In6() {
				t.Errorf("socket %+v", socket)
			}
		}
	})
}
