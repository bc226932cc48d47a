// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// Targets resolves which containers a forward leads to.
type Targets struct {
	// sandboxes are the containers that stand for a sandbox, by its id: its pause container,
	// or another of the pod where it has none.
	sandboxes map[string]inventory.Key
	known     map[inventory.Key]bool
}

// NewTargets returns the targets among some containers. The first of a pod's stands for it
// where it has no pause container.
func NewTargets(containers []*inventory.Container) *Targets {
	t := &Targets{sandboxes: make(map[string]inventory.Key), known: make(map[inventory.Key]bool, len(containers))}
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

// Named returns the container that a forward's rule says it is for, if that is known. Whoever
// made the rule chose what it says: where packets go is for the addresses to tell.
func (t *Targets) Named(forward *netfilter.Forward) (inventory.Key, bool) {
	if forward.Owner == "" {
		return inventory.Key{}, false
	}
	if key, ok := t.sandboxes[forward.Owner]; ok {
		return key, true
	}
	runtime, namespace, id := runtimes.CutOwner(forward.Owner)
	key := inventory.Key{RuntimeName: runtime, RuntimeNamespace: namespace, ID: id}
	return key, t.known[key]
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
	if address.Is4() != isIPv4 || forward.HostNetwork.IsValid() && !forward.HostNetwork.Contains(address) {
		return false
	}
	return !forward.HostAddress.IsValid() || forward.HostAddress.Unmap() == address
}
