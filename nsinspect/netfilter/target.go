// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// natTarget is where a rule sends packets. Each part is known bytes or comes out of a map;
// without a host, the address stays or becomes one of the host itself.
type natTarget struct {
	kind   Kind
	family byte
	// host and lastHost enclose the addresses, and port and lastPort the ports; the ends may be
	// missing.
	host, lastHost, port, lastPort natSource
	// base is the port for which port is the first of a range; 0 where there is none.
	base uint16
}

// natSource is known bytes, or the bytes at an offset of what a lookup gives.
type natSource struct {
	data   []byte
	lookup int
	at     int
}

func (s natSource) isNone() bool { return s.data == nil && s.lookup == 0 }

// bytes returns this many bytes of the source, or nil.
func (s natSource) bytes(found []*element, length int) []byte {
	data := s.data
	if s.lookup != 0 && s.lookup <= len(found) && found[s.lookup-1] != nil {
		data = found[s.lookup-1].data
	}
	if s.at+length > len(data) {
		return nil
	}
	return data[s.at : s.at+length]
}

// resolved is a target with nothing left open.
type resolved struct {
	kind     Kind
	target   netip.AddrPort
	last     netip.Addr
	lastPort uint16
}

// resolve returns where packets of the match are sent, given what each lookup gave.
func (t *natTarget) resolve(m match, found []*element) (resolved, bool) {
	r := resolved{kind: t.kind}
	host, last, ok := t.addresses(found)
	if !ok {
		return r, false
	}
	port, lastPort, ok := t.ports(m, found)
	if !ok || port == 0 && host.IsUnspecified() {
		return r, false // It would lead nowhere.
	}
	r.target = netip.AddrPortFrom(host, port)
	if last != host {
		r.last = last
	}
	if lastPort != port {
		r.lastPort = lastPort
	}
	return r, true
}

// addresses returns the first and the last address of the target.
func (t *natTarget) addresses(found []*element) (first, last netip.Addr, ok bool) {
	length := 4
	if t.family == unix.NFPROTO_IPV6 {
		length = 16
	}
	if t.host.isNone() {
		first, _ = netip.AddrFromSlice(make([]byte, length))
		return first, first, true
	}
	if first, ok = netip.AddrFromSlice(t.host.bytes(found, length)); !ok {
		return first, last, false
	}
	if t.lastHost.isNone() {
		return first, first, true
	}
	last, ok = netip.AddrFromSlice(t.lastHost.bytes(found, length))
	return first, last, ok && first.Compare(last) <= 0
}

// ports returns the first and the last port of the target; 0 if the port stays as it is.
func (t *natTarget) ports(m match, found []*element) (first, last uint16, ok bool) {
	if t.port.isNone() {
		return 0, 0, true
	}
	raw := t.port.bytes(found, 2)
	if len(raw) != 2 {
		return 0, 0, false
	}
	first = binary.BigEndian.Uint16(raw)
	if t.base != 0 {
		first += m.first - t.base
		return first, first, true
	}
	if t.lastPort.isNone() {
		return first, first, true
	}
	if raw = t.lastPort.bytes(found, 2); len(raw) != 2 {
		return 0, 0, false
	}
	last = binary.BigEndian.Uint16(raw)
	return first, last, first <= last
}
