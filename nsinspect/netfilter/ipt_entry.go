// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"encoding/binary"
	"iter"

	"golang.org/x/sys/unix"
)

// entryLayout is where things stand in an entry of legacy iptables: in struct ipt_entry
// (include/uapi/linux/netfilter_ipv4/ip_tables.h) or struct ip6t_entry
// (netfilter_ipv6/ip6_tables.h) of 64-bit kernels.
type entryLayout struct {
	destination, mask, address int
	protocol, inverse          int
	// flags is where a flag stands that is set if the entry asks for a protocol; 0 if there is
	// no such flag.
	flags int
	// targetAt and nextAt are where the offset of the target and the length of all stand, and
	// size is where the matches begin.
	targetAt, nextAt, size int
}

func ipv4Layout() entryLayout {
	return entryLayout{destination: 4, mask: 12, address: 4, protocol: 80, inverse: 83, targetAt: 88, nextAt: 90, size: 112}
}

func ipv6Layout() entryLayout {
	return entryLayout{destination: 16, mask: 48, address: 16, protocol: 128, inverse: 132, flags: 131, targetAt: 140, nextAt: 142, size: 168}
}

// Parts of struct xt_entry_match and of struct xt_entry_target, which are the same, and of the
// targets that the kernel has built in (include/uapi/linux/netfilter/x_tables.h).
const (
	xtName     = 2
	xtRevision = 31
	xtHeader   = 32

	standardTarget = ""
	errorTarget    = "ERROR"
	chainNameSize  = 30
)

// Flags of an entry: two that invert a condition, and that of IPv6 which makes it ask for a
// protocol.
const (
	inverseDestination = 0x10
	inverseProtocol    = 0x40
	asksProtocol       = 0x01
)

// cut returns the entry that b begins with, if it holds a target.
func (l *entryLayout) cut(b []byte) ([]byte, bool) {
	if len(b) < l.size {
		return nil, false
	}
	target, next := int(binary.NativeEndian.Uint16(b[l.targetAt:])), int(binary.NativeEndian.Uint16(b[l.nextAt:]))
	if target < l.size || next < target+xtHeader || next > len(b) {
		return nil, false
	}
	return b[:next], true
}

// target returns the target of an entry that was cut.
func (l *entryLayout) target(entry []byte) xtExtension {
	return decodeExtension(entry[binary.NativeEndian.Uint16(entry[l.targetAt:]):])
}

// matches walks the matches of an entry that was cut. It ends at the first malformed one.
func (l *entryLayout) matches(entry []byte) iter.Seq[xtExtension] {
	rest := entry[l.size:binary.NativeEndian.Uint16(entry[l.targetAt:])]
	return func(yield func(xtExtension) bool) {
		for len(rest) >= xtHeader {
			size := int(binary.NativeEndian.Uint16(rest))
			if size < xtHeader || size > len(rest) || !yield(decodeExtension(rest[:size])) {
				return
			}
			rest = rest[size:]
		}
	}
}

func decodeExtension(b []byte) xtExtension {
	return xtExtension{name: cString(b[xtName:xtRevision]), revision: uint32(b[xtRevision]), info: b[xtHeader:]}
}

// verdict returns the offset of the entry that a standard target leads to. Below 0 it leads to
// none: packets are accepted or dropped, or go back.
func (x *xtExtension) verdict() (int, bool) {
	if x.name != standardTarget || len(x.info) < 4 {
		return 0, false
	}
	return int(int32(binary.NativeEndian.Uint32(x.info))), true
}

// decode decodes a rule.
func (t *legacyTable) decode(entry []byte) rule {
	d := ruleDecoder{table: t.family, family: t.family, rule: rule{match: anyPacket(), backend: IptablesLegacy}}
	t.layout.header(&d, entry)
	for match := range t.layout.matches(entry) {
		d.xtMatch(match)
	}
	if d.never {
		return rule{}
	}
	target := t.layout.target(entry)
	if verdict, ok := target.verdict(); ok {
		if verdict >= 0 {
			d.rule.jump, ok = t.chainAt(verdict)
			d.rule.unknown = !ok
		}
	} else {
		d.xtTarget(target)
	}
	return d.rule
}

// header narrows the match by what an entry asks of the IP header.
func (l *entryLayout) header(d *ruleDecoder, entry []byte) {
	inverse := entry[l.inverse]
	protocol := binary.NativeEndian.Uint16(entry[l.protocol:])
	asks := protocol != 0 && (l.flags == 0 || entry[l.flags]&asksProtocol != 0)
	if asks && inverse&inverseProtocol == 0 {
		if protocol > unix.IPPROTO_RAW {
			d.never = true
			return
		}
		d.within(protocolField, []byte{byte(protocol)}, []byte{byte(protocol)})
	}
	low, mask := entry[l.destination:][:l.address], entry[l.mask:][:l.address]
	if inverse&inverseDestination == 0 && isPrefixMask(mask) && mask[0] != 0 {
		high := make([]byte, l.address)
		for i := range high {
			d.never = d.never || low[i]&^mask[i] != 0
			high[i] = low[i] | ^mask[i]
		}
		d.within(hostField, low, high)
	}
}

// within narrows the match to packets with a field between two values.
func (d *ruleDecoder) within(f field, low, high []byte) {
	var ok bool
	d.rule.match, ok = d.rule.match.within(f, low, high)
	d.never = d.never || !ok
}
