package scan

import (
	"context"
	"errors"
	"net/netip"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// forwards finds to which containers the host's forwards lead.
type forwards struct {
	// sandboxes are the containers that stand for a sandbox, by its id: its pause container,
	// or another of the pod where it has none.
	sandboxes map[string]inventory.Key
	// addresses are the containers by the addresses of their networks; nil until a forward
	// asks for them.
	addresses map[netip.Addr]inventory.Key
}

// NewForwardReader returns a reader of forwards that knows the names of the usual runtimes,
// CNI plugins and Service proxies.
func NewForwardReader() *netfilter.Reader {
	return netfilter.NewReader(netfilter.Names{IsService: runtimes.IsServiceChain, Owner: runtimes.RuleOwner})
}

// readForwards reads the rules that forward ports of the host, and gives each to the
// container that it leads to.
func (w *walk) readForwards(ctx context.Context, reader *netfilter.Reader) {
	coverage := w.snap.Ports
	table, err := reader.Forwards(ctx, w.host)
	if err != nil {
		coverage.NoForwards = append(coverage.NoForwards, w.noForwards(err))
	}
	coverage.Forwards, coverage.Rules, coverage.Ignored = len(table.Forwards), table.Rules, table.Ignored
	for _, reason := range table.Unread {
		coverage.NoForwards = append(coverage.NoForwards, snapshot.Gap{Cause: snapshot.CauseRead, Detail: reason})
	}
	coverage.Datapath = w.datapath()
	w.forwards.sandboxes = w.sandboxKeys()
	for _, forward := range table.Forwards {
		container := w.leadsTo(&forward)
		if container == nil {
			coverage.Foreign++
			continue
		}
		container.Forwards = append(container.Forwards, snapshot.Forward{
			Forward: forward, Shadows: w.shadowed(&forward, container),
		})
	}
}

// noForwards says why forwards can't be read, and what would help.
func (w *walk) noForwards(err error) snapshot.Gap {
	gap := gapOf(err)
	if errors.Is(err, nsinspect.ErrDenied) {
		gap.Detail += ": nsaudit has to be in the host's network (hostNetwork) with CAP_NET_ADMIN"
	}
	return gap
}

// datapath names the network if it is one that forwards without rules.
func (w *walk) datapath() string {
	interfaces, err := w.host.Interfaces()
	if err != nil {
		return ""
	}
	return runtimes.Datapath(interfaces)
}

// sandboxKeys returns the containers that stand for the sandboxes.
func (w *walk) sandboxKeys() map[string]inventory.Key {
	keys := make(map[string]inventory.Key)
	for _, container := range w.sorted() {
		if _, known := keys[container.SandboxID]; container.SandboxID != "" && (container.Sandbox || !known) {
			keys[container.SandboxID] = container.Key()
		}
	}
	return keys
}

// leadsTo returns the container that a forward leads to, or nil. The id that the rule names
// counts first: an address may have been another pod's before.
func (w *walk) leadsTo(forward *netfilter.Forward) *snapshot.Container {
	if key, ok := w.forwards.sandboxes[forward.Owner]; ok && forward.Owner != "" {
		return w.containers[key]
	}
	if container := w.ownerOf(forward.Owner); container != nil {
		return container
	}
	if w.forwards.addresses == nil {
		w.forwards.addresses = w.readAddresses()
	}
	if key, ok := w.forwards.addresses[forward.Target.Addr().Unmap()]; ok {
		return w.containers[key]
	}
	return nil
}

// ownerOf finds the container that a rule names itself, and not by its sandbox.
func (w *walk) ownerOf(owner string) *snapshot.Container {
	runtime, namespace, id := runtimes.CutOwner(owner)
	return w.containers[inventory.Key{RuntimeName: runtime, RuntimeNamespace: namespace, ID: id}]
}

// readAddresses returns the containers by the addresses that their networks really have.
func (w *walk) readAddresses() map[netip.Addr]inventory.Key {
	addresses := make(map[netip.Addr]inventory.Key)
	seen := make(map[nsinspect.ID]bool)
	if host, ok := w.snap.Host.Namespaces.Get(nsinspect.Net); ok {
		seen[host] = true
	}
	for _, container := range w.sorted() {
		key := container.Key()
		if box, ok := w.forwards.sandboxes[container.SandboxID]; ok {
			key = box
		}
		for i := range container.Processes {
			process := &container.Processes[i]
			network, ok := process.Groups[0].Namespaces.Get(nsinspect.Net)
			if !ok || seen[network] {
				continue
			}
			seen[network] = true
			for _, address := range w.addressesOf(process.PID, network) {
				if _, taken := addresses[address]; !taken {
					addresses[address] = key
				}
			}
		}
	}
	return addresses
}

// addressesOf reads the addresses of a process's network, if it still is in that.
func (w *walk) addressesOf(pid int, network nsinspect.ID) []netip.Addr {
	process, err := w.fs.Open(pid)
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
