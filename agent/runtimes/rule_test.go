// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"strings"
	"testing"
)

// place is a chain of the packet filter.
type place struct{ table, chain string }

func TestRuleOwner(t *testing.T) {
	native := place{portmapTable, "hostports"}
	entry := place{"nat", portmapChain}
	podman := place{"nat", netavarkChain}
	long := `dnat name: "` + strings.Repeat("n", 200) + `" id: "` + strings.Repeat("a", 64)
	tests := []struct {
		in            place
		comment, want string
	}{
		{native, "abc", "abc"},
		{native, "", ""},
		{native, "\x1b[2J\n\xff", "\x1b[2J\n\xff"},
		{entry, `dnat name: "podnet" id: "abc"`, "abc"},
		{entry, `dnat name: "a" id: "b" id: "abc"`, "abc"},
		{entry, `dnat name: "podnet" id: ""`, ""},
		{entry, long[:255], ""},
		{entry, "something else", ""},
		{podman, "dnat name: podman id: abc", "abc"},
		{podman, "something else", ""},
		{place{"nat", "PREROUTING"}, `dnat name: "podnet" id: "abc"`, ""},
		{place{"mine", "hostports"}, "abc", ""},
	}
	for _, test := range tests {
		if got := RuleOwner(test.in.table, test.in.chain, test.comment); got != test.want {
			t.Errorf("RuleOwner of %+v, %q = %q, want %q", test.in, test.comment, got, test.want)
		}
	}
}
