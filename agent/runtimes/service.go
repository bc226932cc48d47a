// SPDX-License-Identifier: Apache-2.0

package runtimes

import "strings"

// serviceTables are of Service proxies with tables of their own: kube-proxy in its mode
// nftables (k8s.io/kubernetes, pkg/proxy/nftables).
var serviceTables = [...]string{"kube-proxy"}

// servicePrefixes begin the names of chains that implement Services, policies and meshes in
// tables that all share: of kube-proxy and kube-router (KUBE-), Calico, Cilium, OVN-Kubernetes,
// Antrea and Istio.
var servicePrefixes = [...]string{"KUBE-", "cali-", "CILIUM_", "OLD_CILIUM_", "OVN-KUBE-", "ANTREA-", "ISTIO_"}

// IsServiceChain reports whether a chain of the packet filter implements Services, by its
// name. Services are reached through the host's ports too, but it takes a Service to make
// one, which is no pod's doing.
func IsServiceChain(table, chain string) bool {
	for _, name := range serviceTables {
		if table == name {
			return true
		}
	}
	if isCRIOHostPort(chain) {
		return false
	}
	for _, prefix := range servicePrefixes {
		if strings.HasPrefix(chain, prefix) {
			return true
		}
	}
	return false
}
