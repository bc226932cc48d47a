// SPDX-License-Identifier: Apache-2.0

//go:build integration

package hostports_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// plugin is one portmap with one of its backends.
type plugin struct {
	path    string
	backend string
}

// debianPortmap is Debian 12's, of the plugins 1.1.1, which knows iptables only.
func debianPortmap() plugin { return plugin{path: "/usr/lib/cni/portmap"} }

// newPortmap is that of the plugins that the other tests use.
func newPortmap(t testing.TB, backend string) plugin {
	t.Helper()
	path := os.Getenv("NSAUDIT_PORTMAP")
	if path == "" {
		t.Fatal("NSAUDIT_PORTMAP names no portmap. Run: make integration-hostports")
	}
	return plugin{path, backend}
}

// mapping is a port mapping as a container runtime passes it on.
type mapping struct {
	HostPort      int    `json:"hostPort"`
	ContainerPort int    `json:"containerPort"`
	Protocol      string `json:"protocol"`
	HostIP        string `json:"hostIP,omitempty"`
}

// address is one of a container's, in the result of the plugin before.
type address struct {
	Address   string `json:"address"`
	Interface int    `json:"interface"`
}

// pod is what a plugin is called for.
type pod struct {
	id        string
	addresses []address
	mappings  []mapping
}

// call calls the plugin as a container runtime does (the CNI specification 1.0.0).
func (h *host) call(p plugin, verb string, of pod) {
	h.t.Helper()
	namespace := namespaceOf(keepNamespace(h.t))
	config, err := json.Marshal(map[string]any{
		"cniVersion":    "1.0.0",
		"name":          "podnet",
		"type":          "portmap",
		"backend":       p.backend,
		"snat":          true,
		"capabilities":  map[string]bool{"portMappings": true},
		"runtimeConfig": map[string]any{"portMappings": of.mappings},
		"prevResult": map[string]any{
			"cniVersion": "1.0.0",
			"interfaces": []map[string]string{{"name": "eth0", "sandbox": namespace}},
			"ips":        of.addresses,
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.run(string(config), "env", "CNI_COMMAND="+verb, "CNI_CONTAINERID="+of.id, "CNI_NETNS="+namespace,
		"CNI_IFNAME=eth0", "CNI_PATH=/", p.path)
}

// sandbox is an id as containerd makes it.
func sandbox(digit string) string { return strings.Repeat(digit, 64) }

// pods are pods with host ports of every kind.
func pods() []pod {
	return []pod{
		{
			id:        sandbox("a"),
			addresses: []address{{Address: "10.244.1.5/24"}, {Address: "fd00:10:244:1::5/64"}},
			mappings: []mapping{
				{8080, 80, "tcp", ""},
				{5353, 53, "udp", ""},
				{9999, 9999, "sctp", ""},
				{8443, 443, "tcp", ""},
			},
		},
		{
			id:        sandbox("b"),
			addresses: []address{{Address: "10.244.1.6/24"}, {Address: "fd00:10:244:1::6/64"}},
			mappings: []mapping{
				{8081, 80, "tcp", "127.0.0.1"},
				{8082, 80, "tcp", "192.0.2.1"},
				{8083, 80, "tcp", "0.0.0.0"},
				{8084, 80, "tcp", "2001:db8::1"},
				{8085, 80, "udp", "::"},
			},
		},
		{
			// As nerdctl names its containers.
			id:        "default-" + sandbox("c"),
			addresses: []address{{Address: "10.4.0.2/24"}},
			mappings:  []mapping{{8086, 80, "tcp", ""}},
		},
	}
}

func plugins(t testing.TB) map[string]plugin {
	t.Helper()
	return map[string]plugin{
		"portmap-iptables-debian": debianPortmap(),
		"portmap-iptables":        newPortmap(t, "iptables"),
		"portmap-nftables":        newPortmap(t, "nftables"),
	}
}

// What a pod had is gone with it, and nothing else.
func TestPodsEnd(t *testing.T) {
	for name, p := range plugins(t) {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			all := pods()
			for _, pod := range all {
				h.call(p, "ADD", pod)
			}
			before := h.forwards().Forwards
			for i := range all {
				h.call(p, "DEL", all[i])
				want := slices.DeleteFunc(slices.Clone(before), func(f netfilter.Forward) bool {
					return slices.ContainsFunc(all[:i+1], func(gone pod) bool { return gone.id == f.Owner })
				})
				if diff := cmp.Diff(want, h.forwards().Forwards, cmpForward()); diff != "" {
					t.Errorf("after the end of pod %d: -want +got:\n%s", i, diff)
				}
			}
		})
	}
}
