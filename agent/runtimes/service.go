// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"strings"

	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// The ports that a Service of type NodePort gets unless the cluster is told otherwise
// (kube-apiserver, --service-node-port-range), and those of Antrea's NodePortLocal.
const (
	firstNodePort, lastNodePort   = 30000, 32767
	firstLocalPort, lastLocalPort = 61000, 62000
)

// IsService reports whether a rule of the packet filter implements a Service, by its exact form:
// the program that makes such rules, where they stand, and what they are for. A Service is
// reached through addresses of its own, or through the ports that are set aside for NodePorts;
// it takes a Service to make such a rule, which is no pod's doing. A rule for other ports of the
// host is none, whatever the chains are called.
func IsService(step netfilter.Step) bool {
	switch {
	case step.Kind == netfilter.TProxy:
		return isCiliumProxy(step)
	case step.Table == "ip_vs":
		return isNodePort(step)
	case step.Table == "kube-proxy":
		return isServiceInNftables(step)
	case step.Table == "nat" && step.Chain == "ANTREA-NODE-PORT-LOCAL":
		return step.Next == "" && within(step, firstLocalPort, lastLocalPort)
	default:
		return step.Table == "nat" && isServiceInIptables(step)
	}
}

// ServiceInterfaces are the interfaces on which kube-proxy, in its mode ipvs, and kube-router keep
// the addresses of Services.
func ServiceInterfaces() []string { return []string{"kube-ipvs0", "kube-dummy-if"} }

// isServiceInIptables recognises kube-proxy's rules in its mode iptables (k8s.io/kubernetes,
// pkg/proxy/iptables/proxier.go). KUBE-FW- and KUBE-XLB- are of Kubernetes before 1.24.
func isServiceInIptables(step netfilter.Step) bool {
	kind, hash, _ := cutLastOf(step.Next, '-')
	switch kind {
	case "KUBE-SVC", "KUBE-SVL", "KUBE-EXT", "KUBE-FW", "KUBE-XLB":
	default:
		return false
	}
	if len(hash) != 16 || !isBase32(hash) {
		return false
	}
	return step.Chain == "KUBE-SERVICES" && isServiceAddress(step) || step.Chain == "KUBE-NODEPORTS" && isNodePort(step)
}

// isServiceInNftables recognises kube-proxy's rules in its mode nftables (k8s.io/kubernetes,
// pkg/proxy/nftables/proxier.go): a map leads from addresses and ports to chains such as
// "service-42NFTM6N-ns2/svc2/tcp/p80".
func isServiceInNftables(step netfilter.Step) bool {
	name, ok := strings.CutPrefix(step.Next, "service-")
	if !ok {
		name, ok = strings.CutPrefix(step.Next, "external-")
	}
	hash, _, named := strings.Cut(name, "-")
	if !ok || !named || len(hash) != 8 || !isBase32(hash) || step.Chain != "services" {
		return false
	}
	return isServiceAddress(step) || isNodePort(step)
}

// isCiliumProxy recognises the rules that give Cilium's proxy what its programs in the kernel
// have marked (cilium, pkg/datapath/iptables).
func isCiliumProxy(step netfilter.Step) bool {
	return step.Table == "mangle" && step.Chain == "CILIUM_PRE_mangle" && step.Marked
}

// isServiceAddress reports whether a rule is for one port of one address. Loopback's are never a
// Service's.
func isServiceAddress(step netfilter.Step) bool {
	return step.Address.IsValid() && !step.Address.IsLoopback() && !step.Address.IsUnspecified() && step.FirstPort == step.LastPort
}

func isNodePort(step netfilter.Step) bool {
	return step.FirstPort == step.LastPort && within(step, firstNodePort, lastNodePort)
}

func within(step netfilter.Step, first, last uint16) bool {
	return step.FirstPort >= first && step.LastPort <= last
}

// isBase32 reports whether a text has nothing but digits of base 32 (RFC 4648).
func isBase32(text string) bool {
	return strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// cutLastOf cuts a text at the last of a separator.
func cutLastOf(text string, separator byte) (before, after string, found bool) {
	i := strings.LastIndexByte(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}
