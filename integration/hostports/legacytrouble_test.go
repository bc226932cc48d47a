// SPDX-License-Identifier: Apache-2.0

//go:build integration

package hostports_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// 10.0.0.1, to which the rules here lead.
var anyTarget = []byte{10, 0, 0, 1}

// noRules is an empty chain.
func noRules() {}

// replaceWith makes a table for NAT of IPv4.
func (h *host) replaceWith(build func(*rawTable)) *rawTable {
	h.t.Helper()
	table := &rawTable{rawFamily: rawIPv4()}
	build(table)
	table.heading("ERROR")
	if err := h.socket(table.rawFamily, table.replace); err != nil {
		h.t.Fatal(err)
	}
	return table
}

// ports lists where forwards begin.
func ports(table netfilter.Table) []uint16 {
	var all []uint16
	for _, forward := range table.Forwards {
		all = append(all, forward.HostPort)
	}
	return all
}

// The kernel takes tables that no program writes. What packets can reach is found in them.
func TestHostileTables(t *testing.T) {
	tests := map[string]struct {
		build func(*rawTable)
		// chains are those of the forwards by port.
		chains map[uint16]string
	}{
		"a jump into the midst of a chain": {func(r *rawTable) {
			// The chain begins behind the 4 policies, a rule with a jump and its heading.
			const policy, heading = 112 + 40, 112 + 64
			r.hooks(func() { r.add(0, jump(5*policy+heading+(112+48+80))) }, noRules)
			r.heading("mine")
			r.add(1, dnat(2, anyTarget, 80))
			r.add(2, dnat(2, anyTarget, 80))
			r.add(0, jump(verdictReturn))
		}, map[uint16]string{2: "+1176"}},
		"chains of the same name": {func(r *rawTable) {
			const policy, heading, rule = 112 + 40, 112 + 64, 112 + 48 + 80
			const first, chain = 7*policy + heading, heading + rule + policy
			r.hooks(func() {
				r.add(0, jump(first))
				r.add(0, jump(first+chain))
				r.add(0, jump(first+2*chain))
			}, noRules)
			for i, name := range []string{"twice+2376", "twice", "twice"} {
				r.heading(name)
				r.add(uint16(1+i), dnat(2, anyTarget, 80))
				r.add(0, jump(verdictReturn))
			}
		}, map[uint16]string{1: "twice+2376", 2: "twice", 3: "twice+2376+2376"}},
		"a chain with the name of another": {func(r *rawTable) {
			const policy, heading = 112 + 40, 112 + 64
			r.hooks(func() { r.add(0, jump(5*policy+heading)) }, noRules)
			r.heading("OUTPUT")
			r.add(1, dnat(2, anyTarget, 80))
			r.add(0, jump(verdictReturn))
		}, map[uint16]string{1: "OUTPUT+936"}},
		"a name of any bytes": {func(r *rawTable) {
			const policy, heading = 112 + 40, 112 + 64
			r.hooks(func() { r.add(0, jump(5*policy+heading)) }, noRules)
			r.heading("\x1b[2J\n\xff")
			r.add(1, dnat(2, anyTarget, 80))
			r.add(0, jump(verdictReturn))
		}, map[uint16]string{1: "\x1b[2J\n\xff"}},
		"a rule behind one that takes all": {func(r *rawTable) {
			r.hooks(func() {
				r.add(0, jump(verdictAccept))
				r.add(1, dnat(2, anyTarget, 80))
			}, func() { r.add(2, dnat(0, anyTarget, 80)) })
		}, map[uint16]string{1: "PREROUTING", 2: "OUTPUT"}},
		"no rule at all": {func(r *rawTable) { r.hooks(noRules, noRules) }, map[uint16]string{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.replaceWith(test.build)
			chains := make(map[uint16]string)
			for _, forward := range h.forwards().Forwards {
				chains[forward.HostPort] = forward.Chain
			}
			if diff := cmp.Diff(test.chains, chains); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Forwards in nf_tables and in legacy iptables are listed together.
func TestBoth(t *testing.T) {
	h := newHost(t)
	for port, command := range map[int]string{8001: "iptables-nft", 8002: "iptables-legacy", 8003: "iptables-nft", 8004: "iptables-legacy"} {
		h.run("", command, "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", strconv.Itoa(port), "-j", "DNAT", "--to-destination", "10.0.0.1:80")
	}
	for _, command := range []string{"ip6tables-nft", "ip6tables-legacy"} {
		h.run("", command, "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "--dport", "8005", "-j", "DNAT", "--to-destination", "[fd00::1]:80")
	}
	table := h.forwards()
	var got []string
	for _, f := range table.Forwards {
		got = append(got, fmt.Sprintf("%d %s %s", f.HostPort, f.Backend, f.Table))
	}
	want := []string{
		"8001 iptables-nft ip nat", "8002 iptables-legacy ip nat", "8003 iptables-nft ip nat",
		"8004 iptables-legacy ip nat", "8005 iptables-legacy ip6 nat", "8005 iptables-nft ip6 nat",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if table.Rules != 6 {
		t.Errorf("%d rules were read, want 6", table.Rules)
	}
}

// To ask for a table that is not there would make it.
func TestNoTableIsMade(t *testing.T) {
	h := newHost(t)
	h.run("", "iptables-legacy", "-t", "mangle", "-L", "-n")
	names := func() string {
		t.Helper()
		var all []byte
		for _, file := range []string{"ip_tables_names", "ip6_tables_names"} {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", h.Ref().PID, file))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text...)
		}
		return string(all)
	}
	if table := h.forwards(); len(table.Forwards) > 0 {
		t.Errorf("a namespace without rules has forwards: %+v", table.Forwards)
	}
	if got := names(); got != "mangle\n" {
		t.Errorf("the tables are %q, want mangle alone", got)
	}
	h.run("", "iptables-legacy", "-t", "nat", "-L", "-n")
	if got := names(); !strings.Contains(got, "nat\n") {
		t.Errorf("the tables are %q: a table for NAT would not have been seen", got)
	}
}

// A table that changes while it is read is found as it was before or after, or it is said that
// it was not read. Two have the same size, but their chains stand elsewhere.
func TestChangingTable(t *testing.T) {
	h := newHost(t)
	of := func(arriving, outgoing uint16) *rawTable {
		rules := func(first, n uint16) func(*rawTable) func() {
			return func(r *rawTable) func() {
				return func() {
					for port := range n {
						r.add(first+port, dnat(2, anyTarget, 80))
					}
				}
			}
		}
		return h.replaceWith(func(r *rawTable) { r.hooks(rules(1000, arriving)(r), rules(2000, outgoing)(r)) })
	}
	tables := []*rawTable{of(50, 10), of(10, 50), of(5, 5)}
	ctx, stop := context.WithCancel(t.Context())
	changed := make(chan error, 1)
	go func() {
		changed <- h.socket(rawIPv4(), func(fd int) error {
			for i := 0; ctx.Err() == nil; i++ {
				if err := tables[i%len(tables)].replace(fd); err != nil {
					return err
				}
			}
			return nil
		})
	}()
	counts := make(map[string]int)
	for range 500 {
		table, err := h.reader.Forwards(t.Context(), h.Host)
		if err != nil {
			t.Error(err)
			break
		}
		arriving := len(slices.DeleteFunc(ports(table), func(port uint16) bool { return port >= 2000 }))
		outgoing := len(table.Forwards) - arriving
		switch {
		case len(table.Unread) == 1 && strings.Contains(table.Unread[0], "changed while it was read") && len(table.Forwards) == 0:
			counts["unread"]++
		case len(table.Unread) == 0 && (arriving == 50 && outgoing == 10 || arriving == 10 && outgoing == 50 || arriving == 5 && outgoing == 5):
			counts[fmt.Sprint(arriving)]++
		default:
			t.Errorf("%d for packets that come and %d of the host itself; unread %q", arriving, outgoing, table.Unread)
		}
	}
	stop()
	if err := <-changed; err != nil {
		t.Error(err)
	}
	if counts["10"] == 0 || counts["50"] == 0 || counts["5"] == 0 {
		t.Errorf("the table did not change: %v", counts)
	}
	t.Logf("%v", counts)
}

// The caller's deadline holds for legacy iptables too.
func TestLegacyDeadline(t *testing.T) {
	h := newHost(t)
	h.replaceWith(func(r *rawTable) { r.hooks(func() { r.add(1, dnat(2, anyTarget, 80)) }, noRules) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if table, err := h.reader.Forwards(ctx, h.Host); !errors.Is(err, context.Canceled) {
		t.Errorf("Forwards = %+v, %v, want %v", table, err, context.Canceled)
	}
}
