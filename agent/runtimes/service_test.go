// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"net/netip"
	"testing"

	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

func TestIsService(t *testing.T) {
	t.Parallel()
	at := func(table, chain, next, address string, first, last uint16) netfilter.Step {
		step := netfilter.Step{Table: table, Chain: chain, Next: next, FirstPort: first, LastPort: last}
		if address != "" {
			step.Address = netip.MustParseAddr(address)
		}
		return step
	}
	const (
		service  = "KUBE-SVC-GNZBNJ2PO5MGZ6GT"
		external = "KUBE-EXT-GNZBNJ2PO5MGZ6GT"
		native   = "service-42NFTM6N-ns2/svc2/tcp/p80"
	)
	proxied := netfilter.Step{Table: "mangle", Chain: "CILIUM_PRE_mangle", Kind: netfilter.TProxy, Marked: true, LastPort: 65535}
	unmarked, elsewhere := proxied, proxied
	unmarked.Marked, elsewhere.Chain = false, "PREROUTING"
	tests := map[string]struct {
		step netfilter.Step
		want bool
	}{
		"a ClusterIP":                   {at("nat", "KUBE-SERVICES", service, "10.96.0.10", 53, 53), true},
		"an external address":           {at("nat", "KUBE-SERVICES", external, "192.0.2.22", 80, 80), true},
		"a NodePort":                    {at("nat", "KUBE-NODEPORTS", external, "", 30080, 30080), true},
		"a NodePort at loopback":        {at("nat", "KUBE-NODEPORTS", external, "127.0.0.1", 30080, 30080), true},
		"before 1.24":                   {at("nat", "KUBE-NODEPORTS", "KUBE-XLB-GNZBNJ2PO5MGZ6GT", "", 30080, 30080), true},
		"another port":                  {at("nat", "KUBE-NODEPORTS", external, "", 22, 22), false},
		"another port of an address":    {at("nat", "KUBE-NODEPORTS", external, "192.0.2.1", 22, 22), false},
		"NodePorts at once":             {at("nat", "KUBE-NODEPORTS", external, "", 30000, 32767), false},
		"no address":                    {at("nat", "KUBE-SERVICES", service, "", 30080, 30080), false},
		"loopback's address":            {at("nat", "KUBE-SERVICES", service, "127.0.0.1", 80, 80), false},
		"all ports of an address":       {at("nat", "KUBE-SERVICES", service, "10.96.0.10", 0, 65535), false},
		"to a chain of another name":    {at("nat", "KUBE-SERVICES", "KUBE-SVC-MINE", "10.96.0.10", 53, 53), false},
		"digits that are none":          {at("nat", "KUBE-SERVICES", "KUBE-SVC-GNZBNJ2PO5MGZ6G1", "10.96.0.10", 53, 53), false},
		"straight to a pod":             {at("nat", "KUBE-SERVICES", "KUBE-SEP-GNZBNJ2PO5MGZ6GT", "10.96.0.10", 53, 53), false},
		"from a base chain":             {at("nat", "PREROUTING", service, "10.96.0.10", 53, 53), false},
		"in another table":              {at("mine", "KUBE-SERVICES", service, "10.96.0.10", 53, 53), false},
		"by itself":                     {at("nat", "KUBE-SERVICES", "", "10.96.0.10", 53, 53), false},
		"CRI-O's host port":             {at("nat", "KUBE-HOSTPORTS", "KUBE-HP-4YVONL46AKYWSKS3", "", 8080, 8080), false},
		"nftables, a ClusterIP":         {at("kube-proxy", "services", native, "172.30.0.42", 80, 80), true},
		"nftables, a NodePort":          {at("kube-proxy", "services", "external-42NFTM6N-ns2/svc2/tcp/p80", "", 30001, 30001), true},
		"nftables, another port":        {at("kube-proxy", "services", native, "", 22, 22), false},
		"nftables, from a base chain":   {at("kube-proxy", "nat-prerouting", native, "", 30001, 30001), false},
		"nftables, another form":        {at("kube-proxy", "services", "service-mine", "", 30001, 30001), false},
		"nftables, by itself":           {at("kube-proxy", "services", "", "", 30001, 30001), false},
		"Antrea's NodePortLocal":        {at("nat", "ANTREA-NODE-PORT-LOCAL", "", "", 61001, 61001), true},
		"another of Antrea's":           {at("nat", "ANTREA-NODE-PORT-LOCAL", "", "", 22, 22), false},
		"Calico's, whatever it is":      {at("nat", "cali-PREROUTING", "", "", 22, 22), false},
		"IPVS, a NodePort":              {at("ip_vs", "", "", "192.0.2.1", 30001, 30001), true},
		"IPVS, another port":            {at("ip_vs", "", "", "192.0.2.1", 22, 22), false},
		"Cilium's proxy":                {proxied, true},
		"Cilium's proxy, for everybody": {unmarked, false},
		"another proxy":                 {elsewhere, false},
	}
	for name, test := range tests {
		if got := IsService(test.step); got != test.want {
			t.Errorf("%s: IsService(%+v) = %t, want %t", name, test.step, got, test.want)
		}
	}
}
