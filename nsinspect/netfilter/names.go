// SPDX-License-Identifier: Apache-2.0

package netfilter

import "net/netip"

// Names tell what the programs that make rules mean by the names of chains and by comments.
// The zero value knows none.
type Names struct {
	// IsService reports whether a rule implements a Service: it is not followed, and the chains
	// behind it, tens of thousands on some nodes, never leave the kernel.
	IsService func(Step) bool
	// ServiceInterfaces are the interfaces on which proxies of Services keep the addresses of
	// those for which they make virtual servers (IPVS).
	ServiceInterfaces []string
	// Owner returns whom a rule with a comment is for, see [Forward.Owner]; "" for a comment
	// that does not say.
	Owner func(table, chain, comment string) string
}

// Step is a rule of a chain that leads to another, or that sends packets elsewhere by itself.
type Step struct {
	// Table and Chain are where the rule stands, and Next is the chain that it leads to; empty
	// if it sends packets elsewhere.
	Table, Chain, Next string
	// Kind is how it does that.
	Kind Kind
	// Address is the one address of the host that the rule itself asks for; the zero value if it
	// asks for none or for several.
	Address netip.Addr
	// FirstPort and LastPort are the ports that the rule itself asks for; those of a rule without
	// Next are all that arrive there.
	FirstPort, LastPort uint16
	// Marked reports whether it is for packets with a mark only.
	Marked bool
}

// isService reports whether a rule in a chain is a Service's.
func (n *Names) isService(chain object, next string, own match, by *rule) bool {
	if n.IsService == nil {
		return false
	}
	step := Step{Table: chain.table, Chain: chain.name, Next: next, Marked: by.marked}
	step.FirstPort, step.LastPort = own.ports()
	if own.host.IsValid() && own.host.IsSingleIP() {
		step.Address = own.host.Addr()
	}
	if next == "" && by.target != nil {
		step.Kind = by.target.kind
	}
	return n.IsService(step)
}

func (n *Names) owner(chain object, comment string) string {
	if n.Owner == nil || comment == "" {
		return ""
	}
	return n.Owner(chain.table, chain.name, comment)
}
