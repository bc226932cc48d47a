// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"context"
	"slices"
)

// branch is one way through the lookups of a rule.
type branch struct {
	match match
	found []*element
}

// try applies a rule to the packets that arrive in its chain.
func (t *tracer) try(ctx context.Context, a arrival, to *rule) error {
	if err := t.count(&t.steps, t.limits.steps, "ways through its rules"); err != nil {
		return err
	}
	m, ok := a.match.and(to.match)
	if !ok || !t.local.has(m.host) {
		return nil
	}
	if owner := t.names.owner(a.chain, to.comment); owner != "" {
		m.owner = owner
	}
	branches := []branch{{match: m}}
	for _, lookup := range to.lookups {
		var err error
		if branches, err = t.lookup(ctx, a.chain, lookup, branches); err != nil {
			return err
		}
	}
	for _, b := range branches {
		if err := t.take(a.chain, to, b); err != nil {
			return err
		}
	}
	return nil
}

// lookup splits each branch by the elements of a set that it can match.
func (t *tracer) lookup(ctx context.Context, chain object, by lookup, branches []branch) ([]branch, error) {
	elements := by.inline
	if by.set != "" {
		var err error
		if elements, err = t.elementsOf(ctx, object{chain.family, chain.table, by.set}); err != nil {
			return nil, err
		}
	}
	if by.negated {
		if !isPort(by.key) {
			return notFound(branches), nil
		}
		elements = complement(elements)
	}
	var next []branch
	for i := range elements {
		asked, ok := elements[i].match(by.key)
		if !ok {
			continue
		}
		for _, b := range branches {
			if err := t.count(&t.steps, t.limits.steps, "ways through its rules"); err != nil {
				return nil, err
			}
			if m, ok := b.match.and(asked); ok && t.local.has(m.host) {
				next = append(next, branch{m, append(slices.Clip(b.found), &elements[i])})
			}
		}
	}
	return next, nil
}

// notFound goes on with branches for which a lookup found nothing that is known.
func notFound(branches []branch) []branch {
	for i := range branches {
		branches[i].found = append(slices.Clip(branches[i].found), nil)
	}
	return branches
}

// take follows a branch to where its rule leads.
func (t *tracer) take(chain object, from *rule, b branch) error {
	next, own := from.jump, from.match
	if from.jumpBy > 0 && b.found[from.jumpBy-1] != nil {
		found := b.found[from.jumpBy-1]
		next = found.chain
		own, _ = found.match(from.lookups[from.jumpBy-1].key)
	}
	if to := (object{chain.family, chain.table, next}); next != "" && !t.names.isService(chain, next, own, from) {
		if rules, known := t.rules[to]; !known || len(rules) > 0 {
			t.queue = append(t.queue, arrival{to, b.match})
		}
	}
	if from.target == nil && !from.unknown || t.names.isService(chain, "", b.match, from) {
		return nil
	}
	from.ignored = from.ignored || from.unknown
	if from.target == nil {
		return nil
	}
	target, ok := from.target.resolve(b.match, b.found)
	if !ok {
		from.ignored = true
		return nil
	}
	return t.forward(chain, from, b.match, &target)
}

// forward adds a forward for each protocol, once: the chains for packets that come in and those
// for packets of the host itself may both lead to it.
func (t *tracer) forward(chain object, from *rule, m match, to *resolved) error {
	first, last := m.ports()
	for _, protocol := range m.protocols.names() {
		f := Forward{
			Kind: to.kind, Protocol: protocol, HostAddress: m.address(), HostNetwork: m.network(), HostPort: first, LastPort: last,
			Target: to.target, LastTarget: to.last, LastTargetPort: to.lastPort,
			Owner: m.owner, Backend: from.backend, Table: chain.tableName(),
		}
		if t.forwards[f] {
			continue
		}
		n := len(t.table.Forwards)
		if err := t.count(&n, t.limits.forwards, "forwards"); err != nil {
			return err
		}
		t.forwards[f] = true
		f.Chain = chain.name
		t.table.Forwards = append(t.table.Forwards, f)
	}
	return nil
}
