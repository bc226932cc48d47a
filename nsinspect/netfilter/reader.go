package netfilter

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// forwardLimits caps what one reading takes in.
type forwardLimits struct {
	// chains are counted as they are listed, rules as they are decoded, elements as they are
	// read, and steps are rules and elements tried on the way to a forward.
	chains, rules, elements, steps, forwards int
}

// defaultForwardLimits are far beyond any node's: the largest clusters have some 100,000
// chains, nearly all for Services, of which no rules are read.
func defaultForwardLimits() forwardLimits {
	return forwardLimits{chains: 500_000, rules: 50_000, elements: 50_000, steps: 500_000, forwards: 16_384}
}

// errCapped ends at a cap what goes on.
var errCapped = errors.New("a cap was reached")

// visit is a chain with what is known of the packets that reach it.
type visit struct {
	chain nftObject
	match match
}

// forwardReader follows the chains for NAT from where packets enter them. The rules of a chain
// are read when something leads to it, so that those for Services, tens of thousands on some
// nodes, never leave the kernel.
type forwardReader struct {
	source nftSource
	// decode decodes what the source says of a rule, and says whether that sends packets
	// elsewhere.
	decode func(family byte, message []byte) (nftRule, bool)
	names  Names
	limits forwardLimits
	table  Table
	capped bool
	// rules and sets are what was read already.
	rules map[nftObject][]nftRule
	sets  map[nftObject][]setElement
	// seen and queue are visits done and to be done.
	seen     map[visit]bool
	queue    []visit
	forwards map[Forward]bool
	// chains, elements and steps are counted against the limits.
	chains, elements, steps int
}

func newForwardReader(source nftSource, names Names, limits forwardLimits) *forwardReader {
	return &forwardReader{
		source:   source,
		decode:   decodeRule,
		names:    names,
		limits:   limits,
		rules:    make(map[nftObject][]nftRule),
		sets:     make(map[nftObject][]setElement),
		seen:     make(map[visit]bool),
		forwards: make(map[Forward]bool),
	}
}

// count adds one to what is counted against a limit, and ends the reading at it.
func (r *forwardReader) count(n *int, limit int, what string) error {
	if *n >= limit {
		r.capped = true
		r.table.unread("the packet filter has more than %d %s: the rest was not read", limit, what)
		return errCapped
	}
	*n++
	return nil
}

// read reads all forwards.
func (r *forwardReader) read(ctx context.Context) error {
	err := r.dump(ctx, nftDump{kind: unix.NFT_MSG_GETCHAIN}, func(message nftMessage) error {
		if err := r.count(&r.chains, r.limits.chains, "chains"); err != nil {
			return err
		}
		if chain, ok := decodeBaseChain(message); ok && !r.names.isService(chain) {
			r.queue = append(r.queue, visit{chain, anyPacket()})
		}
		return nil
	})
	return r.walk(ctx, err)
}

// walk takes packets through the chains in the queue, unless an error came before.
func (r *forwardReader) walk(ctx context.Context, err error) error {
	for err == nil && len(r.queue) > 0 {
		next := r.queue[0]
		r.queue = r.queue[1:]
		err = r.follow(ctx, next)
	}
	if errors.Is(err, errCapped) {
		return nil
	}
	return err
}

// dump asks the source. After a cap it asks no more: of what was read until then the forwards
// are still found.
func (r *forwardReader) dump(ctx context.Context, ask nftDump, visit func(nftMessage) error) error {
	if r.capped {
		return nil
	}
	err := r.source.dump(ctx, ask, visit)
	if errors.Is(err, errCapped) {
		return nil
	}
	return err
}

// result returns what was read, also after an error. Maps have no order, so the forwards get one.
func (r *forwardReader) result() Table {
	slices.SortFunc(r.table.Forwards, compareForwards)
	r.table.Ignored = 0
	for _, rules := range r.rules {
		for i := range rules {
			if rules[i].ignored && !rules[i].forwards {
				r.table.Ignored++
			}
		}
	}
	return r.table
}

// follow takes packets through a chain.
func (r *forwardReader) follow(ctx context.Context, v visit) error {
	rules, err := r.rulesOf(ctx, v.chain)
	if err != nil || len(rules) == 0 || r.seen[v] {
		return err
	}
	r.seen[v] = true
	for i := range rules {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.try(ctx, v, &rules[i]); err != nil {
			return err
		}
	}
	return nil
}

// rulesOf returns the rules of a chain that send packets elsewhere.
func (r *forwardReader) rulesOf(ctx context.Context, chain nftObject) ([]nftRule, error) {
	if rules, ok := r.rules[chain]; ok {
		return rules, nil
	}
	var rules []nftRule
	err := r.dump(ctx, nftDump{unix.NFT_MSG_GETRULE, chain}, func(message nftMessage) error {
		if err := r.count(&r.table.Rules, r.limits.rules, "rules in the chains for NAT"); err != nil {
			return err
		}
		if rule, ok := r.decode(chain.family, message.attributes); ok {
			rules = append(rules, rule)
		}
		return nil
	})
	r.rules[chain] = rules
	return rules, err
}
