// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// maxAddressAttempts caps the processes that are asked for the addresses of one network.
const maxAddressAttempts = 16

// errElsewhere reports that a process's first thread is not in the network that it was to show: its
// pid is another process's by now, or other threads of it are there.
var errElsewhere = errors.New("the first thread is elsewhere")

// elusive is a network of a container whose addresses only some process could have shown that was
// elsewhere by then.
type elusive struct {
	reading   *networkReading
	container *snapshot.Container
}

// doubtElusive makes unknown what leads to the containers that have a network whose addresses were
// not read, where a forward leads to nobody known.
func (r *forwardResolver) doubtElusive() {
	if r.builder.snap.Ports.Foreign == 0 {
		return
	}
	for _, network := range r.elusive {
		if !network.reading.done {
			snapshot.AddGap(&network.container.Unread.Forwards, snapshot.CauseUnsettled,
				"a rule leads to an address that nobody is seen to have, and the addresses of one of its networks could not be read")
		}
	}
}

// networkReading is how far the addresses of one network were read.
type networkReading struct {
	done     bool
	attempts int
}

// readAddresses notes the addresses that the containers' networks really have. A network counts
// as read only once it was: the process that was to show it may end at that moment.
func (r *forwardResolver) readAddresses() {
	networks := make(map[nsinspect.ID]*networkReading)
	if host, ok := r.node.ref.Namespaces.Get(nsinspect.Net); ok {
		networks[host] = &networkReading{done: true}
	}
	containers := r.builder.sorted()
	own := ownNetworks(containers)
	for _, container := range containers {
		key := r.targets.Representative(&container.Container)
		for i := range container.Processes {
			process := &container.Processes[i]
			for k := range process.Groups {
				network, ok := process.Groups[k].Namespaces.Get(nsinspect.Net)
				if !ok {
					continue
				}
				if networks[network] == nil {
					networks[network] = new(networkReading)
				}
				r.readNetwork(networks[network], container, process.PID, network, func(address netip.Prefix) {
					r.addresses.Add(address, key, !own[network])
				})
			}
		}
	}
}

// ownNetworks are those that the init processes of containers are in.
func ownNetworks(containers []*snapshot.Container) map[nsinspect.ID]bool {
	own := make(map[nsinspect.ID]bool)
	for _, container := range containers {
		for i := range container.Processes {
			process := &container.Processes[i]
			if process.PID != container.PID || len(process.Groups) == 0 {
				continue
			}
			if network, ok := process.Groups[0].Namespaces.Get(nsinspect.Net); ok {
				own[network] = true
			}
		}
	}
	return own
}

// readNetwork reads the addresses of a network by one process of a container.
func (r *forwardResolver) readNetwork(reading *networkReading, container *snapshot.Container, pid int, network nsinspect.ID, add func(netip.Prefix)) {
	if reading.done || reading.attempts >= maxAddressAttempts {
		return
	}
	reading.attempts++
	err := r.addressesOf(pid, network, add)
	gap := func(cause snapshot.Cause, detail string) { snapshot.AddGap(&container.Unread.Forwards, cause, detail) }
	switch {
	case err == nil:
		reading.done = true
	case errors.Is(err, nsinspect.ErrTooLarge):
		reading.done = true // Another process would not show more.
		gap(snapshot.CauseLimit, "it has more addresses than are read")
	case errors.Is(err, errElsewhere):
		r.elusive = append(r.elusive, elusive{reading, container})
	case !errors.Is(err, nsinspect.ErrVanished):
		gap(causeOf(err), "its addresses could not be read: "+oneLine(err))
	case reading.attempts == maxAddressAttempts:
		gap(snapshot.CauseUnsettled, fmt.Sprintf("its addresses could not be read: %d processes ended before they showed them", reading.attempts))
	}
}

// addressesOf reads the addresses of a process's network, if it still is in that.
func (r *forwardResolver) addressesOf(pid int, network nsinspect.ID, add func(netip.Prefix)) error {
	process, err := r.node.fs.Open(pid)
	if err != nil {
		return err
	}
	defer process.Close()
	var networks []netip.Prefix
	err = process.LocalNetworks(func(network netip.Prefix) { networks = append(networks, network) })
	if err != nil && !errors.Is(err, nsinspect.ErrTooLarge) {
		return err
	}
	if now, err := process.Namespace(nsinspect.Net); err != nil || now != network {
		return errors.Join(err, errElsewhere)
	}
	for _, network := range networks {
		add(network)
	}
	return err
}

// listeners returns the containers that listen in the host's network where a forward to the host
// itself leads.
func (r *forwardResolver) listeners(forward *netfilter.Forward) []inventory.Key {
	if !r.isLocal(forward) {
		return nil
	}
	first, last := forward.Target.Port(), max(forward.Target.Port(), forward.LastTargetPort)
	if first == 0 {
		first, last = forward.HostPort, forward.LastPort
	}
	var leads []inventory.Key
	for container, held := range r.sockets.held {
		for listener := range held {
			port := listener.Address.Port()
			if listener.Protocol != forward.Protocol || port < first || port > last || !receives(listener.Address.Addr(), forward) {
				continue
			}
			leads = append(leads, container.Key())
			break
		}
	}
	slices.SortFunc(leads, inventory.Key.Compare)
	return leads
}

// isLocal reports whether a forward leads to the host itself.
func (r *forwardResolver) isLocal(forward *netfilter.Forward) bool {
	first := forward.Target.Addr().Unmap()
	if first.IsUnspecified() || first.IsLoopback() {
		return true
	}
	last := first
	if forward.LastTarget.IsValid() {
		last = forward.LastTarget.Unmap()
	}
	return slices.ContainsFunc(r.local, func(network netip.Prefix) bool { return owner.Overlaps(network, first, last) })
}

// receives reports whether a socket on an address may get what a forward leads to.
func receives(listening netip.Addr, forward *netfilter.Forward) bool {
	listening = listening.Unmap()
	target := forward.Target.Addr().Unmap()
	return listening.IsUnspecified() || target.IsUnspecified() || forward.LastTarget.IsValid() || listening == target
}
