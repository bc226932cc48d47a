// SPDX-License-Identifier: Apache-2.0

package netfilter

import "context"

// ruleSource gives the rules of a packet filter, decoded. Each method calls visit with one
// thing after another until that returns an error, so that the caller can end it at a cap.
type ruleSource interface {
	// chains visits all chains. enters marks those in which packets for the host, or of the
	// host itself, begin their way through rules that may send them elsewhere.
	chains(ctx context.Context, visit func(chain object, enters bool) error) error
	// rules visits the rules of a chain.
	rules(ctx context.Context, chain object, visit func(rule) error) error
	// elements visits the elements of a set or map, in no order.
	elements(ctx context.Context, set object, visit func(element) error) error
}

// object names a chain or a set of a table.
type object struct {
	family byte
	table  string
	name   string
}

// rule is a rule, as far as it sends packets to another chain or another address.
type rule struct {
	// match is its own condition; lookups are further ones, and what maps give.
	match   match
	lookups []lookup
	comment string
	// jump is the chain that it leads to; jumpBy is the number of the lookup that gives it.
	jump   string
	jumpBy int
	target *natTarget
	// unknown is set if it sends packets elsewhere in an unknown form.
	unknown bool
	// marked is set if it is for packets that carry a mark.
	marked  bool
	backend Backend

	// ignored is set by the tracer: the rule could not be followed.
	ignored bool
}

// leads reports whether the rule sends packets to another chain or address.
func (r *rule) leads() bool {
	return r.jump != "" || r.jumpBy != 0 || r.target != nil || r.unknown
}

// lookup looks a value up in a set or map.
type lookup struct {
	set string
	key []part
	// inline are the elements where there is no set: the ports of xt_multiport.
	inline []element
	// negated is set if it is for packets that are not in the set.
	negated bool
}

// element is an element of a set or map.
type element struct {
	// key is the value, or the first of a range up to end. A map's element for everything
	// else has none.
	key, end []byte
	// data is what a map gives for it, and chain where a verdict map leads.
	data  []byte
	chain string
	// closes marks the end of a range: the first value behind it.
	closes bool
}
