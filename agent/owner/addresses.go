// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"net/netip"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// maxRanges caps the ranges of addresses that forwards lead to.
const maxRanges = 64

// Addresses finds which containers have the addresses that forwards lead to. It keeps those
// addresses only: a container may give itself any number of others.
type Addresses struct {
	single map[netip.Addr]*claims
	ranges map[addressRange]*claims
	capped bool
}

type addressRange struct{ first, last netip.Addr }

// claims are the containers that have an address: in their own network, and in networks that they
// made below that.
type claims struct{ own, nested []inventory.Key }

// NewAddresses returns the addresses that these forwards lead to, which nobody has yet.
func NewAddresses(forwards []netfilter.Forward) *Addresses {
	a := &Addresses{single: make(map[netip.Addr]*claims), ranges: make(map[addressRange]*claims)}
	for i := range forwards {
		target := rangeOf(&forwards[i])
		switch {
		case target.first.IsUnspecified():
		case target.first == target.last:
			if a.single[target.first] == nil {
				a.single[target.first] = new(claims)
			}
		case a.ranges[target] != nil:
		case len(a.ranges) < maxRanges:
			a.ranges[target] = new(claims)
		default:
			a.capped = true
		}
	}
	return a
}

// rangeOf returns the addresses that a forward leads to.
func rangeOf(forward *netfilter.Forward) addressRange {
	first := forward.Target.Addr().Unmap()
	last := first
	if forward.LastTarget.IsValid() {
		last = forward.LastTarget.Unmap()
	}
	return addressRange{first, last}
}

// Wanted reports whether it matters who has which address.
func (a *Addresses) Wanted() bool { return len(a.single)+len(a.ranges) > 0 }

// Capped reports whether some ranges are left out, as there are too many.
func (a *Addresses) Capped() bool { return a.capped }

// Add notes that a container has a network for itself: mostly of one address. Nested says that it
// is not in the container's own network, but in one that it made.
func (a *Addresses) Add(network netip.Prefix, key inventory.Key, nested bool) {
	if network.Addr().IsLoopback() {
		return // Every namespace has it.
	}
	if network.IsSingleIP() {
		a.single[network.Addr()].add(key, nested)
	} else {
		for address, found := range a.single {
			if network.Contains(address) {
				found.add(key, nested)
			}
		}
	}
	for target, found := range a.ranges {
		if Overlaps(network, target.first, target.last) {
			found.add(key, nested)
		}
	}
}

func (c *claims) add(key inventory.Key, nested bool) {
	switch {
	case c == nil:
	case nested && !slices.Contains(c.nested, key):
		c.nested = append(c.nested, key)
	case !nested && !slices.Contains(c.own, key):
		c.own = append(c.own, key)
	}
}

// Of returns the containers that have the addresses that a forward leads to. Networks that a
// container made may have any address, also those that others have: whoever has one in its own
// network comes first.
func (a *Addresses) Of(forward *netfilter.Forward) []inventory.Key {
	target := rangeOf(forward)
	found := a.ranges[target]
	if target.first == target.last {
		found = a.single[target.first]
	}
	switch {
	case found == nil:
		return nil
	case len(found.own) > 0:
		return found.own
	default:
		return found.nested
	}
}

// Overlaps reports whether a network has any of the addresses from first to last.
func Overlaps(network netip.Prefix, first, last netip.Addr) bool {
	if network.Contains(first) {
		return true
	}
	start := network.Masked().Addr()
	return start.BitLen() == first.BitLen() && start.Compare(first) >= 0 && start.Compare(last) <= 0
}
