// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// Bounds of one reading. Nodes have some dozens of forwards; an attacker who may make rules
// could make so many that reading them never ends.
const (
	maxForwardTime     = 5 * time.Second
	maxForwardAttempts = 3
)

// Reader reads forwards. A program has one for all its readings: while the kernel has not
// answered an earlier question about legacy iptables, it is not asked again.
type Reader struct {
	names Names
	// asking holds a value while a question about legacy iptables of a family is open.
	asking [2]chan struct{}
}

// NewReader returns a reader that knows these names. It holds no resources of its own.
func NewReader(names Names) *Reader {
	return &Reader{names: names, asking: [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}}
}

// Forwards returns the forwards that the rules of the host's network namespace make, in
// nf_tables, in legacy iptables and in IPVS. Each rule is read by itself: that an earlier rule takes its
// packets away is not considered. Rules for addresses that are not the host's own are about
// none of its ports.
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
	local := localOf(host)
	table, err := r.nativeForwards(ctx, host, local)
	failures := r.legacyForwards(ctx, host, local, &table)
	r.virtualForwards(host, local, &table)
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
func (r *Reader) nativeForwards(ctx context.Context, host *nsinspect.Host, local *localAddresses) (Table, error) {
	limited, cancel := context.WithTimeout(ctx, maxForwardTime)
	defer cancel()
	table, err := r.nftForwards(limited, host, local)
	switch {
	case err == nil:
	case ctx.Err() == nil && limited.Err() != nil:
		table.unread("reading the packet filter's rules took longer than %s: the rest was not read", maxForwardTime)
	default:
		return Table{}, err
	}
	return table, nil
}
