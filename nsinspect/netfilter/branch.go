package netfilter

import (
	"context"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// branch is one way through the lookups of a rule.
type branch struct {
	match match
	found []*setElement
}

// try takes packets to a rule.
func (r *forwardReader) try(ctx context.Context, v visit, rule *nftRule) error {
	if err := r.count(&r.steps, r.limits.steps, "ways through its rules"); err != nil {
		return err
	}
	m, ok := v.match.and(rule.match)
	if !ok {
		return nil
	}
	if owner := r.names.owner(v.chain, rule.comment); owner != "" {
		m.owner = owner
	}
	branches := []branch{{match: m}}
	for _, lookup := range rule.lookups {
		var err error
		if branches, err = r.lookup(ctx, v.chain, lookup, branches); err != nil {
			return err
		}
	}
	for _, b := range branches {
		if err := r.take(v.chain, rule, b); err != nil {
			return err
		}
	}
	return nil
}

// lookup takes each branch through each element of a set that it can pass.
func (r *forwardReader) lookup(ctx context.Context, chain nftObject, lookup nftLookup, branches []branch) ([]branch, error) {
	elements := lookup.inline
	if lookup.set != "" {
		var err error
		if elements, err = r.elementsOf(ctx, nftObject{chain.family, chain.table, lookup.set}); err != nil {
			return nil, err
		}
	}
	var next []branch
	for i := range elements {
		asked, ok := elements[i].match(lookup.key)
		if !ok {
			continue
		}
		for _, b := range branches {
			if err := r.count(&r.steps, r.limits.steps, "ways through its rules"); err != nil {
				return nil, err
			}
			if m, ok := b.match.and(asked); ok {
				next = append(next, branch{m, append(slices.Clip(b.found), &elements[i])})
			}
		}
	}
	return next, nil
}

func (r *forwardReader) elementsOf(ctx context.Context, set nftObject) ([]setElement, error) {
	if elements, ok := r.sets[set]; ok {
		return elements, nil
	}
	var elements []setElement
	err := r.dump(ctx, nftDump{unix.NFT_MSG_GETSETELEM, set}, func(message nftMessage) error {
		return decodeElements(message.attributes, func(e setElement) error {
			if err := r.count(&r.elements, r.limits.elements, "elements in the maps for NAT"); err != nil {
				return err
			}
			elements = append(elements, e)
			return nil
		})
	})
	r.sets[set] = closeRanges(elements)
	return r.sets[set], err
}

// take takes a branch where its rule leads.
func (r *forwardReader) take(chain nftObject, rule *nftRule, b branch) error {
	next := rule.jump
	if rule.jumpBy > 0 {
		next = b.found[rule.jumpBy-1].chain
	}
	if to := (nftObject{chain.family, chain.table, next}); next != "" && !r.names.isService(to) {
		if rules, known := r.rules[to]; !known || len(rules) > 0 {
			r.queue = append(r.queue, visit{to, b.match})
		}
	}
	if rule.target == nil {
		rule.ignored = rule.ignored || rule.unknown
		return nil
	}
	target, ok := rule.target.resolve(b.match, b.found)
	if !ok || b.match.anyPort() {
		rule.ignored = true
		return nil
	}
	rule.forwards = true
	return r.forward(chain, rule.backend, b.match, target)
}

// forward adds a forward for each protocol. The same may stand in the chains for packets that
// come and for those of the host itself.
func (r *forwardReader) forward(chain nftObject, backend Backend, m match, target netip.AddrPort) error {
	for _, protocol := range m.protocols.names() {
		f := Forward{
			Protocol: protocol, HostAddress: m.address(), HostPort: m.first, LastPort: m.last,
			Target: target, Owner: m.owner, Backend: backend, Table: chain.tableName(),
		}
		if r.forwards[f] {
			continue
		}
		n := len(r.table.Forwards)
		if err := r.count(&n, r.limits.forwards, "forwards"); err != nil {
			return err
		}
		r.forwards[f] = true
		f.Chain = chain.name
		r.table.Forwards = append(r.table.Forwards, f)
	}
	return nil
}
