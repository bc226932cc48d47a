package nsinspect

import "net/netip"

// Ways of forwarding, by what holds the rule.
const (
	// ByNftables is a native rule of nf_tables.
	ByNftables = "nftables"
	// ByIptablesNft is a rule that iptables made in nf_tables.
	ByIptablesNft = "iptables-nft"
)

// Forward is a rule of the host's packet filter that sends what comes to a port of the host
// on to another address: DNAT. Rules that implement Services are none.
type Forward struct {
	Protocol Protocol `json:"protocol"`
	// HostAddress is the address of the host that it is about; the zero value stands for all.
	HostAddress netip.Addr `json:"hostAddress,omitzero"`
	// HostPort is the first port and LastPort the last, which mostly is the same.
	HostPort uint16 `json:"hostPort"`
	LastPort uint16 `json:"lastPort"`
	// Target is where it leads; port 0 stands for the same as the host's.
	Target netip.AddrPort `json:"target"`
	// Owner is the id that the CNI plugin was called with: the pod's sandbox, or, from
	// nerdctl, NAMESPACE-CONTAINER. It is a text of whoever made the rule; empty where the
	// rule has none.
	Owner string `json:"owner,omitempty"`
	// Way is one of the By constants, and Table and Chain are where the rule stands, such
	// as "ip cni_hostport" and "hostports".
	Way   string `json:"way"`
	Table string `json:"table"`
	Chain string `json:"chain"`
}

// ForwardTable is the forwards of the host's network namespace.
type ForwardTable struct {
	Forwards []Forward
	// Rules is the number of rules that were looked at, and Ignored how many of them rewrite
	// a destination in a form that is not known.
	Rules   int
	Ignored int
	// Unread are parts that could not be read, each a sentence: a table of legacy iptables,
	// or what lies beyond a cap.
	Unread []string
}
