// SPDX-License-Identifier: Apache-2.0

//go:build integration

package hostports_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// Reading takes little time and memory however many rules there are.
func TestLargeTables(t *testing.T) {
	const megabyte = 1 << 20
	rule := func(r *rawTable, i int) { r.add(uint16(1+i%60_000), dnat(2, anyTarget, uint16(1+i/60_000))) }
	tests := map[string]struct {
		build    func(*rawTable)
		forwards int
		rules    int
		// bytes are what may be made on the heap.
		bytes  uint64
		unread []string
	}{
		"20,000 rules to which nothing leads but to the first": {func(r *rawTable) {
			r.hooks(func() { rule(r, 7); r.add(0, jump(5*152+240+176)) }, noRules)
			for i := range 10_000 {
				r.heading(fmt.Sprintf("chain-%d", i))
				rule(r, i)
				rule(r, i)
				r.add(0, jump(verdictReturn))
			}
		}, 2, 4, 3 * megabyte, nil},
		"20,000 rules": {func(r *rawTable) {
			r.hooks(func() {
				for i := range 20_000 {
					r.add(uint16(1+i), jump(verdictAccept))
				}
			}, noRules)
		}, 0, 20_000, 3 * megabyte, nil},
		"20,000 forwards": {func(r *rawTable) {
			r.hooks(func() {
				for i := range 20_000 {
					rule(r, i)
				}
			}, noRules)
		}, 16_384, 20_000, 60 * megabyte, []string{"more than 16384 forwards"}},
		"60,000 forwards": {func(r *rawTable) {
			r.hooks(func() {
				for i := range 60_000 {
					rule(r, i)
				}
			}, noRules)
		}, 16_384, 50_000, 100 * megabyte, []string{"more than 50000 rules in the chains for NAT", "more than 16384 forwards"}},
		"more bytes than the cap": {func(r *rawTable) {
			r.hooks(func() {
				for i := range 280_000 {
					rule(r, i)
				}
			}, noRules)
		}, 0, 0, megabyte, []string{"larger than its cap of 67108864 bytes"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			size := uint64(len(h.replaceWith(test.build).entries))
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			table, err := h.reader.Forwards(t.Context(), h.Host)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			made := after.TotalAlloc - before.TotalAlloc
			t.Logf("%s and %.1f MiB for a table of %.1f MiB, %d rules of which were read; unread %q",
				took, float64(made)/megabyte, float64(size)/megabyte, table.Rules, table.Unread)
			if len(table.Forwards) != test.forwards || table.Rules != test.rules || !slices.EqualFunc(table.Unread, test.unread, strings.Contains) {
				t.Errorf("%d forwards in %d rules, unread %q", len(table.Forwards), table.Rules, table.Unread)
			}
			if took > 10*time.Second || made > test.bytes {
				t.Errorf("reading took %s and %d bytes", took, made)
			}
		})
	}
}
