// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/nlattr"
)

// immediate steps through an expression that puts known bytes, or a verdict, into a register.
func (d *ruleDecoder) immediate(data []byte) error {
	var e expr.Immediate
	if expr.Unmarshal(d.family, data, &e) != nil {
		d.registers = registers{}
		return nil //nolint:nilerr // What is not known of a register is no error.
	}
	if e.Register != unix.NFT_REG_VERDICT {
		d.registers.store(e.Register, len(e.Data), &operand{data: e.Data})
		return nil
	}
	verdict, err := nlattr.Find(data, unix.NFTA_IMMEDIATE_DATA)
	if err == nil {
		d.rule.jump, err = verdictChain(verdict)
	}
	return err
}

// maxMapData is the most that a map gives in the forms of DNAT: an IPv6 address and a port.
const maxMapData = 20

// lookup steps through a lookup in a set, or in a map, which gives bytes or a verdict.
func (d *ruleDecoder) lookup(data []byte) {
	var e expr.Lookup
	if expr.Unmarshal(d.family, data, &e) != nil {
		d.registers = registers{}
		return
	}
	key := d.registers.layout(e.SourceRegister)
	if !e.IsDestRegSet && (e.Invert || len(key) == 0) {
		return // A set of something else, such as sources, is not read: it may be large.
	}
	d.rule.lookups = append(d.rule.lookups, lookup{set: e.SetName, key: key})
	switch {
	case !e.IsDestRegSet:
	case e.DestRegister == unix.NFT_REG_VERDICT:
		d.rule.jumpBy = len(d.rule.lookups)
	default:
		d.registers.store(e.DestRegister, maxMapData, &operand{lookup: len(d.rule.lookups)})
	}
}

// nat steps through a native expression for NAT.
func (d *ruleDecoder) nat(data []byte) {
	var e expr.NAT
	if err := expr.Unmarshal(d.family, data, &e); err != nil {
		d.rule.unknown = true
		return
	}
	if e.Type != expr.NATTypeDestNAT || e.RegAddrMin == 0 {
		return // Without an address only the port changes.
	}
	target := natTarget{family: byte(e.Family)}
	var ok1, ok2 bool
	target.host, ok1 = d.natSource(e.RegAddrMin, e.RegAddrMax)
	ok2 = true
	if e.RegProtoMin != 0 {
		target.port, ok2 = d.natSource(e.RegProtoMin, e.RegProtoMax)
	}
	if !ok1 || !ok2 || e.Prefix {
		d.rule.unknown = true
		return
	}
	d.rule.target = &target
}

// natSource returns what a pair of registers holds, which must be a single value.
func (d *ruleDecoder) natSource(from, to uint32) (natSource, bool) {
	value, at := d.registers.load(from)
	if value == nil || value.lookup == 0 && value.data == nil {
		return natSource{}, false
	}
	if to != 0 && to != from {
		other, _ := d.registers.load(to)
		if other == nil || value.data == nil || !bytes.Equal(value.data, other.data) {
			return natSource{}, false
		}
	}
	return natSource{data: value.data, lookup: value.lookup, at: at}, true
}

// resolve returns where packets of the match are sent, given what each lookup gave.
func (t *natTarget) resolve(m match, found []*element) (netip.AddrPort, bool) {
	length := 4
	if t.family == unix.NFPROTO_IPV6 {
		length = 16
	}
	host, ok := netip.AddrFromSlice(t.host.bytes(found, length))
	if !ok {
		return netip.AddrPort{}, false
	}
	if t.port.data == nil && t.port.lookup == 0 {
		return netip.AddrPortFrom(host, 0), true
	}
	raw := t.port.bytes(found, 2)
	if len(raw) != 2 {
		return netip.AddrPort{}, false
	}
	port := binary.BigEndian.Uint16(raw)
	if t.base != 0 {
		port += m.first - t.base
	}
	return netip.AddrPortFrom(host, port), true
}

// bytes returns this many bytes of the source, or nil.
func (s natSource) bytes(found []*element, length int) []byte {
	data := s.data
	if s.lookup != 0 && s.lookup <= len(found) {
		data = found[s.lookup-1].data
	}
	if s.at+length > len(data) {
		return nil
	}
	return data[s.at : s.at+length]
}
