// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
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

// maxMapData is the most that a map gives: all registers.
const maxMapData = registerWords * unix.NFT_REG32_SIZE

// lookup steps through a lookup in a set, or in a map, which gives bytes or a verdict.
func (d *ruleDecoder) lookup(data []byte) {
	var e expr.Lookup
	if expr.Unmarshal(d.family, data, &e) != nil {
		d.registers = registers{}
		return
	}
	key := d.registers.layout(e.SourceRegister)
	if !e.IsDestRegSet && len(key) == 0 {
		return // A set of something else, such as sources, is not read: it may be large.
	}
	d.rule.lookups = append(d.rule.lookups, lookup{set: e.SetName, key: key, negated: e.Invert})
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
	if e.Type != expr.NATTypeDestNAT {
		return
	}
	target := natTarget{family: byte(e.Family)}
	if e.RegAddrMin == 0 {
		target.kind = Redirect // Only the port changes.
	}
	d.setTarget(target, [4]uint32{e.RegAddrMin, e.RegAddrMax, e.RegProtoMin, e.RegProtoMax})
}

// redirect steps through a native expression that sends packets to the host itself. Without a port
// it changes nothing for a packet that was for the host anyway.
func (d *ruleDecoder) redirect(data []byte) {
	var e expr.Redir
	if expr.Unmarshal(d.family, data, &e) != nil {
		d.rule.unknown = true
		return
	}
	if e.RegisterProtoMin != 0 {
		d.setTarget(natTarget{kind: Redirect, family: d.family}, [4]uint32{2: e.RegisterProtoMin, 3: e.RegisterProtoMax})
	}
}

// tproxy steps through a native expression that gives packets to a socket.
func (d *ruleDecoder) tproxy(data []byte) {
	// The decoder of google/nftables (expr.TProxy) refuses the family as the kernel writes it.
	raw, err := nlattr.Find(data, expr.NFTA_TPROXY_REG_PORT)
	register, ok := number(raw)
	if err != nil || !ok {
		d.rule.unknown = true // To a socket that has the packet's own port, and any address.
		return
	}
	// To which of the host's addresses is of no importance: the port tells who listens.
	d.setTarget(natTarget{kind: TProxy, family: d.family}, [4]uint32{2: register})
}

// setTarget makes a target of what registers hold: the first and the last address, and the
// first and the last port. 0 stands for none.
func (d *ruleDecoder) setTarget(target natTarget, from [4]uint32) {
	for i, into := range []*natSource{&target.host, &target.lastHost, &target.port, &target.lastPort} {
		if from[i] == 0 {
			continue
		}
		value, at := d.registers.load(from[i])
		if value == nil || value.lookup == 0 && value.data == nil {
			d.rule.unknown = true
			return
		}
		*into = natSource{data: value.data, lookup: value.lookup, at: at}
	}
	d.rule.target = &target
}
