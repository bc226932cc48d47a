// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// match is the condition for a packet, as far as it is about host ports. Other conditions of a
// rule, such as the interface, are left out: a port that is forwarded for some packets counts as
// forwarded.
type match struct {
	protocols protocolSet
	// first and last are the ports that it may be for.
	first, last uint16
	// host is where it may go; the zero value stands for anywhere.
	host netip.Prefix
	// owner is what a comment on the way to the rule says, see [Forward.Owner].
	owner string
}

// protocolSet is a set of the protocols that have ports, in the order of protocolNumbers.
type protocolSet uint8

const allProtocols protocolSet = 1<<len(protocolNumbers) - 1

// protocolNumbers and protocolNames are of the protocols whose ports stand in the same place.
var (
	protocolNumbers = [...]byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_SCTP, unix.IPPROTO_UDPLITE}
	protocolNames   = [...]socket.Protocol{socket.TCP, socket.UDP, socket.SCTP, socket.UDPLite}
)

// names lists the protocols.
func (s protocolSet) names() []socket.Protocol {
	var names []socket.Protocol
	for i, name := range protocolNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

const maxPort = 1<<16 - 1

// anyPacket is the match that all packets pass.
func anyPacket() match { return match{protocols: allProtocols, last: maxPort} }

// ports returns the first and the last port that the match is for. Port 0 is none.
func (m match) ports() (first, last uint16) { return max(m.first, min(m.last, 1)), m.last }

// and returns the match of the packets that pass both, and reports whether any can.
func (m match) and(other match) (match, bool) {
	m.protocols &= other.protocols
	m.first, m.last = max(m.first, other.first), min(m.last, other.last)
	if other.owner != "" {
		m.owner = other.owner
	}
	if m.host.IsValid() && other.host.IsValid() && !m.host.Overlaps(other.host) {
		return m, false
	}
	if !m.host.IsValid() || other.host.IsValid() && other.host.Bits() > m.host.Bits() {
		m.host = other.host
	}
	return m, m.protocols != 0 && m.first <= m.last
}

// address returns the host's address that the match is about, or the zero value if it is about
// several. A part of the loopback range counts as one address.
func (m match) address() netip.Addr {
	address := m.host.Addr()
	if !m.host.IsValid() || address.IsUnspecified() || !m.host.IsSingleIP() && !address.IsLoopback() {
		return netip.Addr{}
	}
	return address
}

// network returns the network that the match is about, where it is about several of the host's
// addresses, but not about all.
func (m match) network() netip.Prefix {
	if m.address().IsValid() || !m.host.IsValid() || m.host.Bits() == 0 || m.host.IsSingleIP() {
		return netip.Prefix{}
	}
	return m.host
}

// field is a part of a packet by which rules choose host ports.
type field uint8

const (
	portField field = iota
	protocolField
	hostField
	// familyField is NFPROTO_IPV4 or NFPROTO_IPV6: which header the packet has.
	familyField
)

// within narrows the match to packets whose field is between two values, and reports whether
// anything can pass then. Of an address the values may be the first bytes alone.
func (m match) within(f field, low, high []byte) (match, bool) {
	switch f {
	case portField:
		if len(low) == 2 && len(high) == 2 {
			other := anyPacket()
			other.first, other.last = binary.BigEndian.Uint16(low), binary.BigEndian.Uint16(high)
			return m.and(other)
		}
	case protocolField:
		if len(low) == 1 && len(high) == 1 {
			other := anyPacket()
			for i, n := range protocolNumbers {
				if n < low[0] || n > high[0] {
					other.protocols &^= 1 << i
				}
			}
			return m.and(other)
		}
	case hostField:
		if prefix, ok := prefixOf(low, high); ok {
			other := anyPacket()
			other.host = prefix
			return m.and(other)
		}
	case familyField:
	}
	return m, true
}

// prefixOf returns the prefix that two addresses enclose exactly.
func prefixOf(low, high []byte) (netip.Prefix, bool) {
	address, ok := netip.AddrFromSlice(low)
	if !ok || len(low) != len(high) {
		return netip.Prefix{}, false
	}
	one := func(b []byte, bit int) bool { return b[bit/8]&(0x80>>(bit%8)) != 0 }
	bits := 0
	for bits < 8*len(low) && one(low, bits) == one(high, bits) {
		bits++
	}
	for bit := bits; bit < 8*len(low); bit++ {
		if one(low, bit) || !one(high, bit) {
			return netip.Prefix{}, false
		}
	}
	return netip.PrefixFrom(address, bits), true
}
