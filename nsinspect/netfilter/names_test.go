// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"strings"
	"testing"
)

// testNames understand what the recorded programs write, in a few words.
func testNames() Names {
	return Names{
		IsService: func(table, chain string) bool {
			hostPorts := strings.HasPrefix(chain, "KUBE-HOSTPORTS") || strings.HasPrefix(chain, "KUBE-HP-")
			return table == "kube-proxy" || strings.HasPrefix(chain, "KUBE-") && !hostPorts
		},
		Owner: func(table, _, comment string) string {
			if table == "cni_hostport" {
				return comment
			}
			_, id, _ := strings.Cut(comment, " id: ")
			return strings.Trim(id, `"`)
		},
	}
}

// Without names each comment is only a text, and each chain is followed.
func TestNoNames(t *testing.T) {
	for name, want := range map[string]int{"kube-proxy-iptables": 2, "kube-proxy-nftables": 0} {
		reader := newTracer(nftRules{recorded(t, name)}, Names{}, defaultLimits())
		if err := reader.read(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := reader.result().Rules; got <= want {
			t.Errorf("%s: %d rules were read, want more than %d", name, got, want)
		}
	}
	reader := newTracer(nftRules{recorded(t, "portmap-nftables")}, Names{}, defaultLimits())
	if err := reader.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	forwards := reader.result().Forwards
	if len(forwards) == 0 {
		t.Error("no forwards")
	}
	for _, forward := range forwards {
		if forward.Owner != "" {
			t.Errorf("the owner of %+v", forward)
		}
	}
}
