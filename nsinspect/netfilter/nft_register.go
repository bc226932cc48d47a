// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"bytes"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// part is a field of a packet inside of a value: length bytes of it from the offset at. It
// may be the beginning of the field only, of size bytes.
type part struct {
	field
	at, length, size int
}

// operand is what a register holds: parts of a packet, known bytes, or what a lookup gives.
type operand struct {
	parts []part
	// mask are the bits of the parts that were kept; nil for all.
	mask []byte
	data []byte
	// lookup is the number of the rule's lookup, from 1; 0 for none.
	lookup int
}

// registerWords is the number of registers of 4 bytes, which the 4 of 16 bytes overlay.
const registerWords = unix.NFT_REG32_COUNT

// registers are those of a rule at one point of it, by words.
type registers [registerWords]struct {
	holds *operand
	// at is the word's offset in the operand.
	at int
}

// wordOf returns the first word of a register: the kernel numbers those of 16 bytes from 1 and
// those of 4 bytes from 8.
func wordOf(register uint32) (int, bool) {
	switch {
	case register >= unix.NFT_REG_1 && register <= unix.NFT_REG_4:
		return int(register-unix.NFT_REG_1) * unix.NFT_REG_SIZE / unix.NFT_REG32_SIZE, true
	case register >= unix.NFT_REG32_00 && register < unix.NFT_REG32_00+registerWords:
		return int(register - unix.NFT_REG32_00), true
	}
	return 0, false
}

// store puts a value of this many bytes into a register; nil is an unknown value.
func (r *registers) store(register uint32, length int, value *operand) {
	word, ok := wordOf(register)
	if !ok {
		return
	}
	for at := 0; at < length && word < registerWords; at += unix.NFT_REG32_SIZE {
		r[word].holds, r[word].at = value, at
		word++
	}
}

// load returns the value in a register, and the offset in it at which the register begins; nil
// for an unknown value.
func (r *registers) load(register uint32) (*operand, int) {
	word, ok := wordOf(register)
	if !ok {
		return nil, 0
	}
	return r[word].holds, r[word].at
}

// layout returns the parts of packets in the value that begins in a register: a concatenation
// has several, each in words of its own. Registers behind the value may be in it too.
func (r *registers) layout(register uint32) []part {
	first, ok := wordOf(register)
	if !ok {
		return nil
	}
	var parts []part
	for word := first; word < registerWords; word++ {
		value := r[word]
		if value.holds == nil || value.at != 0 || value.holds.mask != nil {
			continue
		}
		for _, p := range value.holds.parts {
			p.at += (word - first) * unix.NFT_REG32_SIZE
			parts = append(parts, p)
		}
	}
	return parts
}

// isPort reports whether parts are a port and nothing else.
func isPort(parts []part) bool {
	return len(parts) == 1 && parts[0] == part{portField, 0, 2, 2}
}

// headerField is where a field stands in a header.
type headerField struct {
	base         expr.PayloadBase
	family       byte
	field        field
	offset, size int
}

// headerFields are those of RFC 791, RFC 8200, and the transport protocols.
var headerFields = [...]headerField{
	{expr.PayloadBaseTransportHeader, 0, portField, 2, 2},
	{expr.PayloadBaseNetworkHeader, unix.NFPROTO_IPV4, protocolField, 9, 1},
	{expr.PayloadBaseNetworkHeader, unix.NFPROTO_IPV4, hostField, 16, 4},
	{expr.PayloadBaseNetworkHeader, unix.NFPROTO_IPV6, protocolField, 6, 1},
	{expr.PayloadBaseNetworkHeader, unix.NFPROTO_IPV6, hostField, 24, 16},
}

// payloadParts returns the fields that a load from a packet has. nft merges loads of adjacent
// fields, and loads no more bytes of an address than its prefix has.
func payloadParts(family byte, e *expr.Payload) []part {
	var parts []part
	start, end := int64(e.Offset), int64(e.Offset)+int64(e.Len)
	for _, f := range headerFields {
		offset, length := int64(f.offset), min(end-int64(f.offset), int64(f.size))
		if f.base != e.Base || start > offset || length <= 0 {
			continue
		}
		// In a table of both families an earlier expression sets the family; without one, only
		// the load of a whole address is unambiguous.
		whole := start == offset && end == offset+int64(f.size)
		if f.family == 0 || f.family == family || family == unix.NFPROTO_INET && f.field == hostField && whole {
			parts = append(parts, part{f.field, int(offset - start), int(length), f.size})
		}
	}
	return parts
}

// rewritesDestination reports whether a write to a packet changes where it goes: its address, its
// port, or both ends of a link.
func rewritesDestination(e *expr.Payload) bool {
	start, end := int64(e.Offset), int64(e.Offset)+int64(e.Len)
	for _, f := range headerFields {
		if f.base == e.Base && f.field != protocolField && start < int64(f.offset+f.size) && end > int64(f.offset) {
			return true
		}
	}
	return e.Base != expr.PayloadBaseNetworkHeader && e.Base != expr.PayloadBaseTransportHeader
}

// metaParts returns the fields that a load of meta data has, and its length.
func metaParts(key expr.MetaKey) ([]part, int) {
	switch key {
	case expr.MetaKeyL4PROTO:
		return []part{{protocolField, 0, 1, 1}}, 1
	case expr.MetaKeyNFPROTO:
		return []part{{familyField, 0, 1, 1}}, 1
	case expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME, expr.MetaKeyBRIIIFNAME, expr.MetaKeyBRIOIFNAME:
		return nil, unix.IFNAMSIZ
	default:
		return nil, unix.NFT_REG32_SIZE
	}
}

// fieldRange returns the range of a part's field for values from low to high, and reports
// whether they are long enough to hold it.
func (p part) fieldRange(low, high []byte) (from, to []byte, ok bool) {
	end := p.at + p.length
	if end > len(low) || end > len(high) {
		return nil, nil, false
	}
	from, to = bytes.Clone(low[p.at:end]), bytes.Clone(high[p.at:end])
	for len(from) < p.size {
		from, to = append(from, 0), append(to, 0xff)
	}
	return from, to, true
}
