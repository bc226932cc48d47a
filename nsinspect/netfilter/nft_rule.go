package netfilter

import (
	"bytes"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// nftRule is a rule that sends packets elsewhere: to another chain or another address.
type nftRule struct {
	// match is what it asks by itself, and lookups is what sets and maps ask and give.
	match   match
	lookups []nftLookup
	comment string
	// jump is the chain that it leads to; jumpBy is the number of the lookup that tells it.
	jump   string
	jumpBy int
	target *natTarget
	// unknown says that it rewrites the destination in a form that is not known.
	unknown bool
	backend Backend

	// forwards and ignored say what became of it.
	forwards, ignored bool
}

// nftLookup looks a value up in a set or map.
type nftLookup struct {
	set string
	key []part
	// inline are the elements where there is no set: the ports of xt_multiport.
	inline []setElement
}

// natTarget is where DNAT leads.
type natTarget struct {
	family     byte
	host, port natSource
	// base is the port for which port is the first of a range; 0 where there is none.
	base uint16
}

// natSource is known bytes, or the bytes at an offset of what a lookup gives.
type natSource struct {
	data   []byte
	lookup int
	at     int
}

// ruleDecoder steps through the expressions of a rule as the kernel does, but with what the
// registers stand for in place of a packet's bytes.
type ruleDecoder struct {
	// table is the table's family, and family what the rule said itself in tables of both.
	table, family byte
	registers     registers
	rule          nftRule
	// never says that no packet can pass.
	never bool
}

// decodeRule decodes a rule that sends packets elsewhere, and says whether it is one.
func decodeRule(family byte, message []byte) (nftRule, bool) {
	d := ruleDecoder{table: family, family: family, rule: nftRule{match: anyPacket(), backend: Nftables}}
	var expressions, udata []byte
	for kind, data := range attributes(message) {
		switch kind {
		case unix.NFTA_RULE_EXPRESSIONS:
			expressions = data
		case unix.NFTA_RULE_USERDATA:
			udata = data
		}
	}
	for kind, data := range attributes(expressions) {
		if kind == unix.NFTA_LIST_ELEM {
			d.expression(cString(attribute(data, unix.NFTA_EXPR_NAME)), attribute(data, unix.NFTA_EXPR_DATA))
		}
		if d.never {
			return nftRule{}, false
		}
	}
	if text := comment(udata); text != "" {
		d.rule.comment = text
	}
	rule := d.rule
	return rule, rule.jump != "" || rule.jumpBy != 0 || rule.target != nil || rule.unknown
}

// expression takes one step.
func (d *ruleDecoder) expression(name string, data []byte) {
	switch name {
	case "counter", "log", "limit", "quota", "connlimit", "last", "objref", "dynset", "masq", "redir", "notrack":
		// They read registers at most.
	case "match":
		d.xtMatch(decodeXT(data))
	case "target":
		d.rule.backend = IptablesNft
		d.xtTarget(decodeXT(data))
	case "meta", "payload", "bitwise":
		if !d.load(name, data) {
			d.registers = registers{}
		}
	case "cmp", "range":
		d.compare(name, data)
	case "immediate":
		d.immediate(data)
	case "lookup":
		d.lookup(data)
	case "nat":
		d.nat(data)
	default:
		// It may write any register.
		d.registers = registers{}
	}
}

// load steps through what fills registers, and says whether it could be decoded.
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
		}
	case "payload":
		var e expr.Payload
		if expr.Unmarshal(d.family, data, &e) != nil {
			return false
		}
		if e.OperationType == expr.PayloadLoad {
			length := min(int(e.Len), registerWords*unix.NFT_REG32_SIZE)
			d.registers.store(e.DestRegister, length, &operand{parts: payloadParts(d.family, &e)})
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

// masked returns the operand of a bitwise expression that keeps the first bits of a value,
// which is what a prefix asks for; nil for others.
func (d *ruleDecoder) masked(e *expr.Bitwise) *operand {
	value, at := d.registers.load(e.SourceRegister)
	if value == nil || at != 0 || value.mask != nil || len(bytes.Trim(e.Xor, "\x00")) > 0 || !isPrefixMask(e.Mask) {
		return nil
	}
	return &operand{parts: value.parts, mask: e.Mask}
}

// isPrefixMask says whether a mask keeps the first bits and nothing else.
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

// compare narrows the match. What it asks in a form that is not known leaves it as it is.
func (d *ruleDecoder) compare(name string, data []byte) {
	if name == "range" {
		var e expr.Range
		if expr.Unmarshal(d.family, data, &e) == nil && e.Op == expr.CmpOpEq {
			d.narrow(e.Register, e.FromData, e.ToData)
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
	}
}

// add returns a number of many bytes plus 1, or, with 0xff, minus 1.
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

// narrow takes in that a register is between two values.
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
		// Of what was loaded together only the first is in order.
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
