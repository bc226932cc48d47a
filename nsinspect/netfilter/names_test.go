// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"strings"
	"testing"
)

// testNames understand what the recorded programs write, in a few words.
func testNames() Names {
	return Names{
		IsService: func(step Step) bool {
			isService := step.Chain == "services" || step.Chain == "KUBE-SERVICES" || step.Chain == "KUBE-NODEPORTS"
			isChain := strings.HasPrefix(step.Next, "service-") || strings.HasPrefix(step.Next, "external-") ||
				strings.HasPrefix(step.Next, "KUBE-SVC-") || strings.HasPrefix(step.Next, "KUBE-EXT-")
			return isService && isChain && (step.Address.IsValid() || step.FirstPort >= 30000) ||
				step.Kind == TProxy && step.Chain == "CILIUM_PRE_mangle" && step.Marked
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
	for name, want := range servicesRead() {
		reader := newTracer(nftRules{recorded(t, name)}, Names{}, nil, defaultLimits())
		if err := reader.read(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := reader.result().Rules; got <= want {
			t.Errorf("%s: %d rules were read, want more than %d", name, got, want)
		}
	}
	reader := newTracer(nftRules{recorded(t, "portmap-nftables")}, Names{}, nil, defaultLimits())
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
