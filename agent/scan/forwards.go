// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// forwardResolver finds which containers the host's forwards lead to, and which sockets each
// forward shadows.
type forwardResolver struct {
	node    *node
	builder *builder
	reader  *netfilter.Reader
	sockets *socketFinder
	targets *owner.Targets
	// addresses tell who has which address, local is where the host receives packets itself.
	addresses *owner.Addresses
	local     []netip.Prefix
	elusive   []elusive
}

// NewForwardReader returns a reader of forwards that knows the names of the usual runtimes,
// CNI plugins and Service proxies.
func NewForwardReader() *netfilter.Reader {
	return netfilter.NewReader(netfilter.Names{
		IsService: runtimes.IsService, ServiceInterfaces: runtimes.ServiceInterfaces(), Owner: runtimes.RuleOwner,
	})
}

func newForwardResolver(n *node, b *builder, reader *netfilter.Reader, sockets *socketFinder) *forwardResolver {
	return &forwardResolver{node: n, builder: b, reader: reader, sockets: sockets}
}

// resolve reads the rules that forward ports of the host, and gives each to the container
// that it leads to.
func (r *forwardResolver) resolve(ctx context.Context) error {
	coverage := r.builder.snap.Ports
	table, err := r.reader.Forwards(ctx, r.node.host)
	if err != nil {
		gap := noForwards(err)
		snapshot.AddGap(&coverage.NoForwards, gap.Cause, gap.Detail)
	}
	coverage.Forwards, coverage.Rules, coverage.Ignored = len(table.Forwards), table.Rules, table.Ignored
	for _, detail := range table.Unread {
		snapshot.AddGap(&coverage.NoForwards, snapshot.CauseRead, detail)
	}
	for _, detail := range table.Opaque {
		snapshot.AddGap(&coverage.Opaque, snapshot.CauseRead, detail)
	}
	coverage.Datapath = r.datapath()
	r.targets = owner.NewTargets(r.identities())
	r.addresses = owner.NewAddresses(table.Forwards)
	if r.addresses.Wanted() {
		r.local, _ = r.node.host.LocalNetworks() // Where that fails, only loopback's addresses are taken for the host's.
		r.readAddresses()
	}
	if r.addresses.Capped() {
		snapshot.AddGap(&coverage.Opaque, snapshot.CauseLimit, "there are too many rules that lead to ranges of addresses")
	}
	for i := range table.Forwards {
		r.lead(&table.Forwards[i])
	}
	r.doubtElusive()
	err = r.nameShadowed(ctx)
	r.capShadows()
	return err
}

// noForwards returns why forwards can't be read, and what would help.
func noForwards(err error) snapshot.Gap {
	gap := gapOf(err)
	if errors.Is(err, nsinspect.ErrDenied) {
		gap.Detail += ": nsaudit has to be in the host's network (hostNetwork) with CAP_NET_ADMIN"
	}
	return gap
}

// datapath names the network if it is one that forwards without rules.
func (r *forwardResolver) datapath() string {
	interfaces, err := r.node.host.Interfaces()
	if err != nil {
		return ""
	}
	return runtimes.Datapath(interfaces)
}

// identities returns who the containers are, in a stable order.
func (r *forwardResolver) identities() []*inventory.Container {
	sorted := r.builder.sorted()
	containers := make([]*inventory.Container, len(sorted))
	for i, container := range sorted {
		containers[i] = &container.Container
	}
	return containers
}

// lead gives a forward to each container that it leads to.
func (r *forwardResolver) lead(forward *netfilter.Forward) {
	named, isNamed := r.targets.Named(forward)
	leads := append(slices.Clone(r.addresses.Of(forward)), r.listeners(forward)...)
	if len(leads) == 0 && isNamed {
		leads = []inventory.Key{named} // Nobody is seen to have the address: the rule's word is all there is.
	}
	if len(leads) == 0 {
		r.builder.snap.Ports.Foreign++
	}
	for _, key := range leads {
		container := r.builder.container(key)
		shadows, more := r.shadowed(forward, container)
		found := snapshot.Forward{Forward: *forward, Shadows: shadows, MoreShadows: more}
		if isNamed && named != key {
			found.Named = named.ID
		}
		container.Forwards = append(container.Forwards, found)
	}
}
