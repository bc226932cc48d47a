// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"net/netip"

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
}

// NewForwardReader returns a reader of forwards that knows the names of the usual runtimes,
// CNI plugins and Service proxies.
func NewForwardReader() *netfilter.Reader {
	return netfilter.NewReader(netfilter.Names{IsService: runtimes.IsService, Owner: runtimes.RuleOwner})
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
	r.targets = owner.NewTargets(r.identities(), r.addresses)
	for i := range table.Forwards {
		forward := &table.Forwards[i]
		key, ok := r.targets.Of(forward)
		if !ok {
			coverage.Foreign++
			continue
		}
		container := r.builder.container(key)
		shadows, more := r.shadowed(forward, container)
		container.Forwards = append(container.Forwards, snapshot.Forward{Forward: *forward, Shadows: shadows, MoreShadows: more})
	}
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

// addresses returns the containers by the addresses that their networks really have.
func (r *forwardResolver) addresses() map[netip.Addr]inventory.Key {
	addresses := make(map[netip.Addr]inventory.Key)
	seen := make(map[nsinspect.ID]bool)
	if host, ok := r.node.ref.Namespaces.Get(nsinspect.Net); ok {
		seen[host] = true
	}
	for _, container := range r.builder.sorted() {
		key := r.targets.Representative(&container.Container)
		for i := range container.Processes {
			process := &container.Processes[i]
			network, ok := process.Groups[0].Namespaces.Get(nsinspect.Net)
			if !ok || seen[network] {
				continue
			}
			seen[network] = true
			for _, address := range r.addressesOf(process.PID, network) {
				if _, taken := addresses[address]; !taken {
					addresses[address] = key
				}
			}
		}
	}
	return addresses
}

// addressesOf reads the addresses of a process's network, if it still is in that.
func (r *forwardResolver) addressesOf(pid int, network nsinspect.ID) []netip.Addr {
	process, err := r.node.fs.Open(pid)
	if err != nil {
		return nil // It has ended: its network may have other processes, or is gone as well.
	}
	defer process.Close()
	addresses, err := process.Addresses()
	if err != nil {
		return nil
	}
	if now, err := process.Namespace(nsinspect.Net); err != nil || now != network {
		return nil // Its pid is another process's by now.
	}
	return addresses
}
