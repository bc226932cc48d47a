package netfilter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
	"net/netip"
	"slices"
	"time"
)

// Backend is what holds a rule.
type Backend string

// The backends.
const (
	// Nftables is a native rule of nf_tables.
	Nftables Backend = "nftables"
	// IptablesNft is a rule that iptables made in nf_tables.
	IptablesNft Backend = "iptables-nft"
	// IptablesLegacy is a rule of iptables as it was before nf_tables.
	IptablesLegacy Backend = "iptables-legacy"
)

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
	// Rules is the number of rules that were looked at, and Ignored how many of them rewrite
	// a destination in a form that is not known.
	Rules   int
	Ignored int
	// Unread are parts that could not be read, each a sentence: a table of legacy iptables,
	// or what lies beyond a cap.
	Unread []string
}

// Bounds of one reading. Nodes have some dozens of forwards; whoever may make rules could
// make so many that reading them never ends.
const (
	maxForwardTime     = 5 * time.Second
	maxForwardAttempts = 3
)

// Reader reads forwards. There is one for the lifetime of a program: what the kernel
// still owes to one reading the next does not ask for again.
type Reader struct {
	names Names
	// asking holds a value while the kernel is asked for legacy iptables of a family.
	asking [2]chan struct{}
}

// NewReader returns a reader that knows these names. It holds no resources of its own.
func NewReader(names Names) *Reader {
	return &Reader{names: names, asking: [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}}
}

// Forwards returns the forwards that the rules for NAT of the host's network namespace make,
// in nf_tables and in legacy iptables. Rules are looked at one by one: a rule may stand behind
// another that takes its packets away.
//
// It takes CAP_NET_ADMIN in that namespace (net/netfilter/nfnetlink.c, nfnetlink_rcv;
// net/ipv4/netfilter/ip_tables.c, do_ipt_get_ctl): [nsinspect.ErrDenied] without. Asking makes the
// kernel load nf_tables where that is a module, but never legacy iptables.
//
// What could be read of legacy iptables comes with an error about nf_tables, and an error
// about legacy iptables alone is in Unread.
func (r *Reader) Forwards(ctx context.Context, host *nsinspect.Host) (Table, error) {
	if host.Ref().PID == 0 {
		return Table{}, nsinspect.ErrNoHost
	}
	table, err := r.nativeForwards(ctx, host)
	failures := r.legacyForwards(ctx, host, &table)
	if ctx.Err() != nil {
		return Table{}, fmt.Errorf("read the packet filter's rules: %w", ctx.Err())
	}
	slices.SortFunc(table.Forwards, compareForwards)
	for _, failure := range failures {
		switch {
		case err != nil:
			err = fmt.Errorf("%w; %w", err, failure)
		case errors.Is(failure, context.DeadlineExceeded):
			table.unread("%v: it took longer than %s", failure, maxForwardTime)
		default:
			table.unread("%v", failure)
		}
	}
	return table, err
}

// nativeForwards returns the forwards in nf_tables.
func (r *Reader) nativeForwards(ctx context.Context, host *nsinspect.Host) (Table, error) {
	limited, cancel := context.WithTimeout(ctx, maxForwardTime)
	defer cancel()
	table, err := r.nftForwards(limited, host)
	switch {
	case err == nil:
	case ctx.Err() == nil && limited.Err() != nil:
		table.unread("reading the packet filter's rules took longer than %s: the rest was not read", maxForwardTime)
	default:
		return Table{}, err
	}
	return table, nil
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
