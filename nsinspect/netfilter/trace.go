// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// limits caps what one reading takes in.
type limits struct {
	// chains are counted as they are listed, rules as they are decoded, elements as they are
	// read, and steps are rules and elements tried on the way to a forward.
	chains, rules, elements, steps, forwards int
}

// defaultLimits are far beyond any node's: the largest clusters have some 100,000
// chains, nearly all for Services, of which no rules are read.
func defaultLimits() limits {
	return limits{chains: 500_000, rules: 50_000, elements: 50_000, steps: 500_000, forwards: 16_384}
}

// errCapped ends a reading at a cap.
var errCapped = errors.New("a cap was reached")

// arrival is a chain with the match of the packets that reach it.
type arrival struct {
	chain object
	match match
}

// tracer follows packets through the chains for NAT from where they enter. It reads the rules of
// a chain only when a rule leads there, so that those for Services, tens of thousands on some
// nodes, stay in the kernel.
type tracer struct {
	source ruleSource
	names  Names
	local  *localAddresses
	limits limits
	table  Table
	capped bool
	// rules and sets are what was read already.
	rules map[object][]rule
	sets  map[object][]element
	// seen are the arrivals that were followed, queue those that are to be followed.
	seen     map[arrival]bool
	queue    []arrival
	forwards map[Forward]bool
	// chains, elements and steps are counted against the limits.
	chains, elements, steps int
}

func newTracer(source ruleSource, names Names, local *localAddresses, caps limits) *tracer {
	return &tracer{
		source:   source,
		names:    names,
		local:    local,
		limits:   caps,
		rules:    make(map[object][]rule),
		sets:     make(map[object][]element),
		seen:     make(map[arrival]bool),
		forwards: make(map[Forward]bool),
	}
}

// count adds one to a counter, and ends the reading at its limit.
func (t *tracer) count(n *int, limit int, what string) error {
	if *n >= limit {
		t.capped = true
		t.table.unread("the packet filter has more than %d %s: the rest was not read", limit, what)
		return errCapped
	}
	*n++
	return nil
}

// read reads all forwards.
func (t *tracer) read(ctx context.Context) error {
	err := t.enter(ctx)
	for err == nil && len(t.queue) > 0 {
		next := t.queue[0]
		t.queue = t.queue[1:]
		err = t.follow(ctx, next)
	}
	return ignoreCap(err)
}

// enter finds the chains in which packets begin their way.
func (t *tracer) enter(ctx context.Context) error {
	err := t.source.chains(ctx, func(chain object, enters bool) error {
		if err := t.count(&t.chains, t.limits.chains, "chains"); err != nil {
			return err
		}
		if enters {
			t.queue = append(t.queue, arrival{chain, anyPacket()})
		}
		return nil
	})
	return ignoreCap(err)
}

// ignoreCap drops the error of a cap: what was read before it is still followed.
func ignoreCap(err error) error {
	if errors.Is(err, errCapped) {
		return nil
	}
	return err
}

// result returns the sorted forwards, also after an error.
func (t *tracer) result() Table {
	slices.SortFunc(t.table.Forwards, compareForwards)
	t.table.Ignored, t.table.Opaque = 0, nil
	for chain, rules := range t.rules {
		n := 0
		var backend Backend
		for i := range rules {
			if rules[i].ignored {
				n++
				backend = rules[i].backend
			}
		}
		if n > 0 {
			t.table.Ignored += n
			t.table.Opaque = append(t.table.Opaque, opaque(chain, backend, n))
		}
	}
	slices.Sort(t.table.Opaque)
	return t.table
}

// opaque says in which chain there are rules of an unknown form.
func opaque(chain object, backend Backend, n int) string {
	if n == 1 {
		return fmt.Sprintf("a rule in the chain %q of the table %q (%s) sends packets elsewhere in a form that is not known", chain.name, chain.tableName(), backend)
	}
	return fmt.Sprintf("%d rules in the chain %q of the table %q (%s) send packets elsewhere in a form that is not known", n, chain.name, chain.tableName(), backend)
}

// follow takes packets through a chain.
func (t *tracer) follow(ctx context.Context, a arrival) error {
	rules, err := t.rulesOf(ctx, a.chain)
	if err != nil || len(rules) == 0 || t.seen[a] {
		return err
	}
	t.seen[a] = true
	for i := range rules {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.try(ctx, a, &rules[i]); err != nil {
			return err
		}
	}
	return nil
}

// rulesOf returns the rules of a chain that lead elsewhere. After a cap it reads no more; what was
// read before is still followed.
func (t *tracer) rulesOf(ctx context.Context, chain object) ([]rule, error) {
	if rules, ok := t.rules[chain]; ok || t.capped {
		return rules, nil
	}
	var rules []rule
	err := t.source.rules(ctx, chain, func(decoded rule) error {
		if err := t.count(&t.table.Rules, t.limits.rules, "rules in the chains for NAT"); err != nil {
			return err
		}
		if decoded.leads() {
			rules = append(rules, decoded)
		}
		return nil
	})
	t.rules[chain] = rules
	return rules, ignoreCap(err)
}

// elementsOf returns the elements of a set or map. After a cap it reads no more.
func (t *tracer) elementsOf(ctx context.Context, set object) ([]element, error) {
	if elements, ok := t.sets[set]; ok || t.capped {
		return elements, nil
	}
	var elements []element
	err := t.source.elements(ctx, set, func(e element) error {
		if err := t.count(&t.elements, t.limits.elements, "elements in the maps for NAT"); err != nil {
			return err
		}
		elements = append(elements, e)
		return nil
	})
	t.sets[set] = closeRanges(elements)
	return t.sets[set], ignoreCap(err)
}
