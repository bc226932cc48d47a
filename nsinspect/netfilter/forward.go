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
)

// Backends returns every backend.
func Backends() []Backend { return []Backend{Nftables, IptablesNft, IptablesLegacy} }

// Forward is a rule of the host's packet filter that sends what comes to a port of the host
// on to another address: DNAT. Those that [Names] call Services are none.
type Forward struct {
	Protocol socket.Protocol `json:"protocol"`
	// HostAddress is the address of the host that it is about; the zero value stands for all
	// of the target's family.
	HostAddress netip.Addr `json:"hostAddress,omitzero"`
	// HostPort is the first port and LastPort the last, which mostly is the same.
	HostPort uint16 `json:"hostPort"`
	LastPort uint16 `json:"lastPort"`
	// Target is where the first port leads; port 0 stands for the same as the host's.
	Target netip.AddrPort `json:"target"`
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
	// Rules is the number of rules that were read, and Ignored how many of them rewrite a
	// destination in an unknown form.
	Rules   int
	Ignored int
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
	)
}

func (t *Table) unread(format string, args ...any) {
	t.Unread = append(t.Unread, fmt.Sprintf(format, args...))
}
