// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/internal/hostlink"
	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// errNoNftables reports that the kernel has no nf_tables, and so no rules in it.
var errNoNftables = errors.New("the kernel has no nf_tables")

// nftForwards reads the forwards in nf_tables. What was read until an error comes with it.
func (r *Reader) nftForwards(ctx context.Context, host *nsinspect.Host, local *localAddresses) (Table, error) {
	for attempt := 1; ; attempt++ {
		table, changed, err := r.nftAttempt(ctx, host, local)
		switch {
		case errors.Is(err, errNoNftables):
			return Table{}, nil
		case err != nil:
			return table, nftError(ctx, err)
		case !changed:
			return table, nil
		case attempt == maxForwardAttempts:
			// Each forward existed at some moment, which is better than no answer.
			table.unread("the packet filter's rules changed while they were read, %d times in a row: some may be missing", attempt)
			return table, nil
		}
	}
}

// nftAttempt reads the forwards once and reports whether the rules changed meanwhile. A dump is
// in many parts, and rules that move between them are left out.
func (r *Reader) nftAttempt(ctx context.Context, host *nsinspect.Host, local *localAddresses) (Table, bool, error) {
	conn, err := hostlink.Dial(ctx, host, unix.NETLINK_NETFILTER)
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		err = errNoNftables // It has no netlink for netfilter at all.
	}
	if err != nil {
		return Table{}, false, err
	}
	defer func() { _ = conn.Close() }() // What was read is complete without it.
	rules := &nftConn{conn: conn}
	before, err := rules.generation()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		err = errNoNftables // The kernel has no such messages.
	}
	if err != nil {
		return Table{}, false, err
	}
	reader := newTracer(nftRules{rules}, r.names, local, defaultLimits())
	err = reader.read(ctx)
	if err != nil || reader.capped {
		// The connection may be in the midst of a dump.
		return reader.result(), false, err
	}
	after, err := rules.generation()
	return reader.result(), rules.changed || before != after, err
}

// nftError adds to an error what it means. The socket has the deadline of the context, and may
// notice it a moment earlier.
func nftError(ctx context.Context, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		<-ctx.Done()
		return ctx.Err()
	}
	if errors.Is(err, unix.EPERM) && !errors.Is(err, nsinspect.ErrDenied) {
		return procfd.Classify("read the packet filter's rules, which takes CAP_NET_ADMIN", err)
	}
	return fmt.Errorf("read the packet filter's rules: %w", err)
}
