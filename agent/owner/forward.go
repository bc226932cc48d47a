// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"net/netip"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// Targets resolves which container a forward leads to.
type Targets struct {
	// sandboxes are the containers that stand for a sandbox, by its id: its pause container,
	// or another of the pod where it has none.
	sandboxes map[string]inventory.Key
	known     map[inventory.Key]bool
	// addresses are the containers by the addresses of their networks; nil until a forward
	// asks for them.
	addresses     map[netip.Addr]inventory.Key
	readAddresses func() map[netip.Addr]inventory.Key
}

// NewTargets returns the targets among some containers. The first of a pod's stands for it
// where it has no pause container. Addresses is called once, and only if it is needed.
func NewTargets(containers []*inventory.Container, addresses func() map[netip.Addr]inventory.Key) *Targets {
	t := &Targets{
		sandboxes: make(map[string]inventory.Key), known: make(map[inventory.Key]bool, len(containers)),
		readAddresses: addresses,
	}
	for _, container := range containers {
		key := container.Key()
		t.known[key] = true
		if _, known := t.sandboxes[container.SandboxID]; container.SandboxID != "" && (container.Sandbox || !known) {
			t.sandboxes[container.SandboxID] = key
		}
	}
	return t
}

// Representative returns the container that stands for a container's pod: itself without one.
func (t *Targets) Representative(container *inventory.Container) inventory.Key {
	if key, ok := t.sandboxes[container.SandboxID]; ok {
		return key
	}
	return container.Key()
}

// Of returns the container that a forward leads to, if any. The id that the rule names counts
// first: an address may have been another pod's before.
func (t *Targets) Of(forward *netfilter.Forward) (inventory.Key, bool) {
	if forward.Owner != "" {
		if key, ok := t.sandboxes[forward.Owner]; ok {
			return key, true
		}
		runtime, namespace, id := runtimes.CutOwner(forward.Owner)
		if key := (inventory.Key{RuntimeName: runtime, RuntimeNamespace: namespace, ID: id}); t.known[key] {
			return key, true
		}
	}
	if t.addresses == nil {
		t.addresses = t.readAddresses()
	}
	key, ok := t.addresses[forward.Target.Addr().Unmap()]
	return key, ok
}

// Shadows reports whether a forward takes the traffic that would come to a socket on its
// port.
func Shadows(forward *netfilter.Forward, listener *socket.Socket) bool {
	if listener.Protocol != forward.Protocol {
		return false
	}
	address := listener.Address.Addr().Unmap()
	isIPv4 := forward.Target.Addr().Unmap().Is4()
	if address.IsUnspecified() {
		return address.Is4() == isIPv4 || address.Is6() && listener.DualStack
	}
	if address.Is4() != isIPv4 {
		return false
	}
	return !forward.HostAddress.IsValid() || forward.HostAddress.Unmap() == address
}
