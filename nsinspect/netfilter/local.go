// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"net/netip"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// localAddresses are those at which the host receives packets: the packets for others pass
// through, and are for none of its ports. Nil stands for any.
type localAddresses struct {
	single   map[netip.Addr]bool
	networks []netip.Prefix
}

// localOf returns the host's addresses. Where they can't be read, any may be its own.
func localOf(host *nsinspect.Host) *localAddresses {
	networks, err := host.LocalNetworks()
	if err != nil {
		return nil
	}
	return newLocalAddresses(networks)
}

func newLocalAddresses(networks []netip.Prefix) *localAddresses {
	local := &localAddresses{single: make(map[netip.Addr]bool, len(networks))}
	for _, network := range networks {
		if network.IsSingleIP() {
			local.single[network.Addr()] = true
		} else {
			local.networks = append(local.networks, network)
		}
	}
	return local
}

// has reports whether packets for some address of a network may be the host's. The zero value
// stands for all addresses.
func (l *localAddresses) has(network netip.Prefix) bool {
	if l == nil || !network.IsValid() || l.single[network.Addr()] {
		return true
	}
	for _, own := range l.networks {
		if own.Overlaps(network) {
			return true
		}
	}
	if network.IsSingleIP() {
		return false
	}
	for own := range l.single {
		if network.Contains(own) {
			return true
		}
	}
	return false
}
