// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"bytes"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/nlattr"
)

// ruleDecoder steps through the expressions of a rule as the kernel does, but its registers hold
// what the bytes stand for instead of the bytes of a packet.
type ruleDecoder struct {
	// table is the table's family, and family the one that the rule is about, which differs in
	// tables of both.
	table, family byte
	registers     registers
	rule          rule
	// never is set when no packet can pass.
	never bool
}

// decodeRule decodes a rule. Of a rule that no packet passes it returns the zero value.
func decodeRule(family byte, message []byte) (rule, error) {
	d := ruleDecoder{table: family, family: family, rule: rule{match: anyPacket(), backend: Nftables}}
	var expressions, udata []byte
	for attribute, err := range nlattr.All(message) {
		if err != nil {
			return rule{}, err
		}
		switch attribute.Type {
		case unix.NFTA_RULE_EXPRESSIONS:
			expressions = attribute.Data
		case unix.NFTA_RULE_USERDATA:
			udata = attribute.Data
		}
	}
	if err := d.expressions(expressions); err != nil || d.never {
		return rule{}, err
	}
	if text := comment(udata); text != "" {
		d.rule.comment = text
	}
	return d.rule, nil
}

// expressions steps through a rule, until no packet can pass.
func (d *ruleDecoder) expressions(list []byte) error {
	for attribute, err := range nlattr.All(list) {
		if err != nil || d.never {
			return err
		}
		if attribute.Type != unix.NFTA_LIST_ELEM {
			continue
		}
		name, err := nlattr.Find(attribute.Data, unix.NFTA_EXPR_NAME)
		if err != nil {
			return err
		}
		data, err := nlattr.Find(attribute.Data, unix.NFTA_EXPR_DATA)
		if err != nil {
			return err
		}
		if err := d.expression(cString(name), data); err != nil {
			return err
		}
	}
	return nil
}

// expression steps through one expression.
func (d *ruleDecoder) expression(name string, data []byte) error {
	switch name {
	case "counter", "log", "limit", "quota", "connlimit", "last", "objref", "dynset", "masq", "notrack", "reject":
		// They do not write registers.
	case "match", "target":
		return d.extension(name, data)
	case "meta", "payload", "bitwise":
		if !d.load(name, data) {
			d.registers = registers{}
		}
	case "cmp", "range":
		d.compare(name, data)
	case "immediate":
		return d.immediate(data)
	case "lookup":
		d.lookup(data)
	case "nat":
		d.nat(data)
	case "redir":
		d.redirect(data)
	case "tproxy":
		d.tproxy(data)
	default:
		d.other(name)
	}
	return nil
}

// other steps through an expression of which only the name counts.
func (d *ruleDecoder) other(name string) {
	d.registers = registers{} // It may write any of them.
	switch name {
	case "byteorder", "connsecmark", "ct", "exthdr", "fib", "flow_offload", "hash", "inner", "numgen", "osf", "rt",
		"secmark", "socket", "synproxy", "tunnel", "xfrm":
	case "queue":
		// A program decides. That network policies are made so is usual.
	default:
		d.rule.unknown = true // fwd and dup send packets elsewhere, and one that is newer may.
	}
}

// extension steps through a match or a target of iptables.
func (d *ruleDecoder) extension(name string, data []byte) error {
	x, err := decodeXT(data)
	if err != nil {
		return err
	}
	if name == "match" {
		d.xtMatch(x)
		return nil
	}
	d.rule.backend = IptablesNft
	d.xtTarget(x)
	return nil
}

// load steps through what fills registers, and reports whether it could be decoded.
func (d *ruleDecoder) load(name string, data []byte) bool {
	switch name {
	case "meta":
		var e expr.Meta
		if expr.Unmarshal(d.family, data, &e) != nil {
			return false
		}
		if !e.SourceRegister {
			parts, length := metaParts(e.Key)
			d.registers.store(e.Register, length, &operand{parts: parts})
			d.rule.marked = d.rule.marked || e.Key == expr.MetaKeyMARK
		}
	case "payload":
		var e expr.Payload
		if expr.Unmarshal(d.family, data, &e) != nil {
			return false
		}
		if e.OperationType == expr.PayloadLoad {
			length := min(int(e.Len), registerWords*unix.NFT_REG32_SIZE)
			d.registers.store(e.DestRegister, length, &operand{parts: payloadParts(d.family, &e)})
		} else {
			d.rule.unknown = d.rule.unknown || rewritesDestination(&e)
		}
	case "bitwise":
		var e expr.Bitwise
		if expr.Unmarshal(d.family, data, &e) != nil {
			return false
		}
		d.registers.store(e.DestRegister, min(int(e.Len), registerWords*unix.NFT_REG32_SIZE), d.masked(&e))
	}
	return true
}

// masked returns the operand of a bitwise expression that keeps the first bits of a value, as for
// a prefix; nil for any other.
func (d *ruleDecoder) masked(e *expr.Bitwise) *operand {
	value, at := d.registers.load(e.SourceRegister)
	if value == nil || at != 0 || value.mask != nil || len(bytes.Trim(e.Xor, "\x00")) > 0 || !isPrefixMask(e.Mask) {
		return nil
	}
	return &operand{parts: value.parts, mask: e.Mask}
}

// isPrefixMask reports whether a mask keeps the first bits and nothing else.
func isPrefixMask(mask []byte) bool {
	kept := true
	for _, b := range mask {
		if rest := ^b; rest&(rest+1) != 0 || !kept && b != 0 {
			return false
		}
		kept = b == 0xff
	}
	return len(mask) > 0
}

// compare narrows the match. An unknown form of comparison leaves it as it is.
func (d *ruleDecoder) compare(name string, data []byte) {
	if name == "range" {
		var e expr.Range
		switch err := expr.Unmarshal(d.family, data, &e); {
		case err != nil:
		case e.Op == expr.CmpOpEq:
			d.narrow(e.Register, e.FromData, e.ToData)
		case e.Op == expr.CmpOpNeq:
			d.exclude(e.Register, e.FromData, e.ToData)
		}
		return
	}
	var e expr.Cmp
	if expr.Unmarshal(d.family, data, &e) != nil {
		return
	}
	switch e.Op {
	case expr.CmpOpEq:
		d.narrow(e.Register, e.Data, e.Data)
	case expr.CmpOpGte:
		d.narrow(e.Register, e.Data, bytes.Repeat([]byte{0xff}, len(e.Data)))
	case expr.CmpOpLte:
		d.narrow(e.Register, make([]byte, len(e.Data)), e.Data)
	case expr.CmpOpGt:
		d.narrow(e.Register, add(e.Data, 1), bytes.Repeat([]byte{0xff}, len(e.Data)))
	case expr.CmpOpLt:
		d.narrow(e.Register, make([]byte, len(e.Data)), add(e.Data, 0xff))
	case expr.CmpOpNeq:
		d.exclude(e.Register, e.Data, e.Data)
	}
}

// exclude narrows the match to packets whose port, if the register holds one and nothing else, is
// not between two values.
func (d *ruleDecoder) exclude(register uint32, low, high []byte) {
	value, at := d.registers.load(register)
	if value == nil || at != 0 || value.mask != nil || !isPort(value.parts) || len(low) != 2 || len(high) != 2 {
		return
	}
	d.rule.lookups = append(d.rule.lookups, lookup{
		key: value.parts, inline: []element{{key: bytes.Clone(low), end: bytes.Clone(high)}}, negated: true,
	})
}

// add returns a big-endian number plus 1, or, with 0xff, minus 1.
func add(b []byte, n byte) []byte {
	sum := bytes.Clone(b)
	for i := len(sum) - 1; i >= 0; i-- {
		sum[i] += n
		if n == 1 && sum[i] != 0 || n == 0xff && sum[i] != 0xff {
			break
		}
	}
	return sum
}

// narrow narrows the match to packets with a register between two values.
func (d *ruleDecoder) narrow(register uint32, low, high []byte) {
	parts := d.registers.layout(register)
	if value, at := d.registers.load(register); value != nil && at == 0 && value.mask != nil {
		if !bytes.Equal(low, high) || len(low) != len(value.mask) {
			return
		}
		parts = value.parts
		low, high = bytes.Clone(low), bytes.Clone(high)
		for i, bits := range value.mask {
			low[i], high[i] = low[i]&bits, high[i]|^bits
		}
	}
	single := bytes.Equal(low, high)
	for _, p := range parts {
		from, to, ok := p.fieldRange(low, high)
		// A range of several fields bounds only the first of them.
		if !ok || !single && p.at != 0 {
			return
		}
		if p.field == familyField && d.table == unix.NFPROTO_INET && from[0] == to[0] {
			d.family = from[0]
		}
		if d.rule.match, ok = d.rule.match.within(p.field, from, to); !ok {
			d.never = true
		}
	}
}
