// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// socketSpec is a socket that a role makes.
type socketSpec struct {
	protocol socket.Protocol
	// family is AF_INET or AF_INET6, kind SOCK_STREAM and the like, and number the IP
	// protocol.
	family, kind, number int
	// address is what it is bound to, if it is valid.
	address netip.AddrPort
	v6only  bool
	// backlog is what it listens with; 0 for a socket that does not listen.
	backlog int
	// more are further addresses of a socket of SCTP.
	more []netip.Addr
	// keys is the number of peers that it has an MD5 key for.
	keys int
	// connect is whom it is connected to, if it is valid.
	connect netip.AddrPort
	// unseen says that it takes in nothing, and so may not be shown.
	unseen bool
}

// manyAddressesPort is of a socket of SCTP with more addresses than sock_diag can tell.
const manyAddressesPort = 14005

// socketSpecs are sockets of every kind. Raw ones have the IP protocol for a port.
func socketSpecs() map[string]socketSpec {
	at := netip.MustParseAddrPort
	tcp := func(address string) socketSpec {
		return socketSpec{protocol: socket.TCP, family: familyOf(at(address)), kind: unix.SOCK_STREAM, address: at(address), backlog: 8}
	}
	udp := func(address string) socketSpec {
		return socketSpec{protocol: socket.UDP, family: familyOf(at(address)), kind: unix.SOCK_DGRAM, address: at(address)}
	}
	lite := func(address string) socketSpec {
		return socketSpec{protocol: socket.UDPLite, family: familyOf(at(address)), kind: unix.SOCK_DGRAM, number: unix.IPPROTO_UDPLITE, address: at(address)}
	}
	sctp := func(address string, more ...netip.Addr) socketSpec {
		return socketSpec{
			protocol: socket.SCTP, family: familyOf(at(address)), kind: unix.SOCK_STREAM, number: unix.IPPROTO_SCTP,
			address: at(address), more: more, backlog: 8,
		}
	}
	raw := func(family, number int) socketSpec {
		return socketSpec{protocol: socket.Raw, family: family, kind: unix.SOCK_RAW, number: number}
	}
	with := func(spec socketSpec, change func(*socketSpec)) socketSpec {
		change(&spec)
		return spec
	}
	return map[string]socketSpec{
		"tcp any":                tcp("0.0.0.0:10001"),
		"tcp loopback":           tcp("127.0.0.1:10002"),
		"tcp another address":    tcp("127.9.9.9:10002"),
		"tcp6 dual":              tcp("[::]:10003"),
		"tcp6 only":              with(tcp("[::]:10004"), func(s *socketSpec) { s.v6only = true }),
		"tcp beside tcp6 only":   tcp("0.0.0.0:10004"),
		"tcp6 loopback":          tcp("[::1]:10005"),
		"tcp6 on an IPv4":        tcp("[::ffff:127.0.0.1]:10006"),
		"tcp that shares a port": tcp("127.0.0.1:10007"),
		"tcp that shares it too": tcp("127.0.0.1:10007"),
		"mptcp":                  with(tcp("127.0.0.1:10008"), func(s *socketSpec) { s.number = unix.IPPROTO_MPTCP }),
		"tcp bound":              with(tcp("127.0.0.1:10009"), func(s *socketSpec) { s.backlog, s.unseen = 0, true }),
		"tcp connected": {
			protocol: socket.TCP, family: unix.AF_INET, kind: unix.SOCK_STREAM, connect: at("127.0.0.1:10002"), unseen: true,
		},
		// More than an answer of the kernel has room for.
		"tcp with keys": with(tcp("127.0.0.1:10010"), func(s *socketSpec) { s.keys = 100 }),
		"udp any":       udp("0.0.0.0:11001"),
		"udp loopback":  udp("127.0.0.1:11002"),
		"udp6 dual":     udp("[::]:11003"),
		"udp6 only":     with(udp("[::]:11004"), func(s *socketSpec) { s.v6only = true }),
		"udp connected": with(udp("127.0.0.1:11005"), func(s *socketSpec) { s.connect, s.unseen = at("127.0.0.1:11002"), true }),
		"udp unbound":   {protocol: socket.UDP, family: unix.AF_INET, kind: unix.SOCK_DGRAM, unseen: true},
		"udplite":       lite("127.0.0.1:12001"),
		"udplite6":      lite("[::]:12002"),
		"sctp any":      sctp("0.0.0.0:14001"),
		"sctp6 dual":    sctp("[::]:14002"),
		"sctp6 only":    with(sctp("[::]:14003"), func(s *socketSpec) { s.v6only = true }),
		"sctp, some":    sctp("127.0.0.2:14004", loopbacks(3)...),
		"sctp, many":    sctp("127.0.0.2:"+strconv.Itoa(manyAddressesPort), loopbacks(300)...),
		"raw ospf":      raw(unix.AF_INET, 89),
		"raw6 ospf":     raw(unix.AF_INET6, 89),
		"raw to send":   with(raw(unix.AF_INET, unix.IPPROTO_RAW), func(s *socketSpec) { s.unseen = true }),
	}
}

// loopbacks are addresses that everyone may bind.
func loopbacks(n int) []netip.Addr {
	var addresses []netip.Addr
	for i := range n {
		addresses = append(addresses, netip.AddrFrom4([4]byte{127, 1, byte(i / 200), byte(1 + i%200)}))
	}
	return addresses
}

func familyOf(address netip.AddrPort) int {
	if address.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddrOf(address netip.AddrPort) unix.Sockaddr {
	if address.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
}

// open makes the socket, which stays as long as the process.
func (s socketSpec) open() (int, error) {
	fd, err := unix.Socket(s.family, s.kind, s.number)
	if err != nil {
		return 0, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, err
	}
	if s.family == unix.AF_INET6 && s.kind != unix.SOCK_RAW {
		only := 0
		if s.v6only {
			only = 1
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return 0, err
		}
	}
	if s.address.IsValid() {
		if err := unix.Bind(fd, sockaddrOf(s.address)); err != nil {
			return 0, err
		}
	}
	for _, address := range s.more {
		if err := bindAlso(fd, netip.AddrPortFrom(address, s.address.Port())); err != nil {
			return 0, fmt.Errorf("bind %v: %w", address, err)
		}
	}
	for i := range s.keys {
		if err := setKey(fd, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})); err != nil {
			return 0, fmt.Errorf("set key %d: %w", i, err)
		}
	}
	if s.backlog > 0 {
		if err := unix.Listen(fd, s.backlog); err != nil {
			return 0, err
		}
	}
	if s.connect.IsValid() {
		return fd, unix.Connect(fd, sockaddrOf(s.connect))
	}
	return fd, nil
}

// bindAlso gives a socket of SCTP another address (sctp_bindx(3)).
func bindAlso(fd int, address netip.AddrPort) error {
	const bindxAdd = 100 // SCTP_SOCKOPT_BINDX_ADD of linux/sctp.h
	raw := make([]byte, unix.SizeofSockaddrInet4)
	binary.NativeEndian.PutUint16(raw, unix.AF_INET)
	binary.BigEndian.PutUint16(raw[2:], address.Port())
	copy(raw[4:], address.Addr().AsSlice())
	return unix.SetsockoptString(fd, unix.IPPROTO_SCTP, bindxAdd, string(raw))
}

// setKey makes a socket of TCP ask a peer for a signature (RFC 2385). Kernels are built with
// and without that.
func setKey(fd int, peer netip.Addr) error {
	key := unix.TCPMD5Sig{Keylen: 1}
	key.Addr.Family = unix.AF_INET
	copy(key.Addr.Data[2:], peer.AsSlice()) // Behind the port.
	err := unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG, &key)
	if errors.Is(err, unix.ENOPROTOOPT) {
		return nil
	}
	return err
}

// seen is what must be shown of the socket.
func (s socketSpec) seen(fd int) ([]socket.Socket, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, err
	}
	addresses, port := append([]netip.Addr{s.address.Addr().Unmap()}, s.more...), s.address.Port()
	if s.protocol == socket.Raw {
		addresses[0], port = netip.IPv4Unspecified(), uint16(s.number) //nolint:gosec // The number of an IP protocol.
		if s.family == unix.AF_INET6 {
			addresses[0] = netip.IPv6Unspecified()
		}
	}
	var sockets []socket.Socket
	for _, address := range addresses {
		sockets = append(sockets, socket.Socket{
			Protocol:  s.protocol,
			Address:   netip.AddrPortFrom(address, port),
			DualStack: address == netip.IPv6Unspecified() && !s.v6only && s.protocol != socket.Raw,
			Inode:     stat.Ino,
			UID:       uint32(os.Geteuid()), //nolint:gosec // A user's id.
		})
	}
	return sockets, nil
}
