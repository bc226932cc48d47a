// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"cmp"
	"fmt"
	"net/netip"

	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// Backend is what holds a rule.
type Backend string

// The backends.
const (
	// Nftables is a native rule of nf_tables.
	Nftables Backend = "nftables"
	// IptablesNft is a rule that iptables made in nf_tables.
	IptablesNft Backend = "iptables-nft"
	// IptablesLegacy is a rule in iptables' own tables of the kernel, older than nf_tables.
	IptablesLegacy Backend = "iptables-legacy"
	// IPVS is a virtual server, which is no rule of the packet filter and does the same.
	IPVS Backend = "ipvs"
)

// Backends returns every backend.
func Backends() []Backend { return []Backend{Nftables, IptablesNft, IptablesLegacy, IPVS} }

// Kind is how a forward sends packets on.
type Kind string

// The kinds.
const (
	// DNAT rewrites the address of the destination: the zero value.
	DNAT Kind = ""
	// Redirect sends packets to the host itself, on another port.
	Redirect Kind = "redirect"
	// TProxy gives packets, unchanged, to a socket of the host on another port.
	TProxy Kind = "tproxy"
)

// Kinds returns every kind.
func Kinds() []Kind { return []Kind{DNAT, Redirect, TProxy} }

// Forward is a rule of the host's packet filter that sends what comes to ports of the host on to
// elsewhere. Conditions of the rule that are not about addresses and ports are left out, so
// that it may be for fewer packets than it says. What [Names] call a Service is no forward.
type Forward struct {
	Kind     Kind            `json:"kind,omitempty"`
	Protocol socket.Protocol `json:"protocol"`
	// HostAddress is the address of the host that it is about; the zero value stands for all
	// of the target's family, or of HostNetwork.
	HostAddress netip.Addr `json:"hostAddress,omitzero"`
	// HostNetwork is what it is about where that is a network of several addresses.
	HostNetwork netip.Prefix `json:"hostNetwork,omitzero"`
	// HostPort is the first port and LastPort the last, which mostly is the same.
	HostPort uint16 `json:"hostPort"`
	LastPort uint16 `json:"lastPort"`
	// Target is where the first port leads; port 0 stands for the same as the host's. Where the
	// address is unspecified, the host itself is the target.
	Target netip.AddrPort `json:"target"`
	// LastTarget ends a range of addresses, one of which the target is; the zero value stands
	// for the target's alone.
	LastTarget netip.Addr `json:"lastTarget,omitzero"`
	// LastTargetPort ends a range of ports, one of which the target's is; 0 stands for the
	// target's alone.
	LastTargetPort uint16 `json:"lastTargetPort,omitempty"`
	// Owner is whom the rule is for, as the comments on the way to it say and [Names]
	// understand them. The process that made the rule chose it, in any bytes; empty where
	// they say nothing.
	Owner string `json:"owner,omitempty"`
	// Backend is what holds the rule, and Table and Chain are where it stands, such
	// as "ip cni_hostport" and "hostports".
	Backend Backend `json:"way"`
	Table   string  `json:"table"`
	Chain   string  `json:"chain"`
}

// Table is the forwards of the host's network namespace, ordered by host port.
type Table struct {
	Forwards []Forward
	// Rules is the number of rules that were read, and Ignored how many of them send packets
	// elsewhere in an unknown form. Opaque says which these are, a sentence for each chain.
	Rules   int
	Ignored int
	Opaque  []string
	// Unread are parts that could not be read, each a sentence: a table of legacy iptables,
	// or what lies beyond a cap.
	Unread []string
}

// compareForwards orders forwards by host port first.
func compareForwards(a, b Forward) int {
	return cmp.Or(
		cmp.Compare(a.HostPort, b.HostPort),
		cmp.Compare(a.Protocol, b.Protocol),
		a.HostAddress.Compare(b.HostAddress),
		cmp.Compare(a.LastPort, b.LastPort),
		a.Target.Compare(b.Target),
		cmp.Compare(a.Owner, b.Owner),
		cmp.Compare(a.Table, b.Table),
		cmp.Compare(a.Chain, b.Chain),
		cmp.Compare(a.Backend, b.Backend),
		cmp.Compare(a.Kind, b.Kind),
		a.LastTarget.Compare(b.LastTarget),
		cmp.Compare(a.LastTargetPort, b.LastTargetPort),
	)
}

func (t *Table) unread(format string, args ...any) {
	t.Unread = append(t.Unread, fmt.Sprintf(format, args...))
}
