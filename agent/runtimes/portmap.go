// SPDX-License-Identifier: Apache-2.0

package runtimes

import "strings"

// The CNI plugin portmap keeps host ports in a table of its own, each rule with the id as its
// comment (containernetworking/plugins, portmap_nftables.go), or in iptables, where the rule
// that leads to a container's chain says whose that is (portmap_iptables.go).
const (
	portmapTable = "cni_hostport"
	portmapChain = "CNI-HOSTPORT-DNAT"
)

// portmapOwner returns the id that the comment of a rule in iptables names. It is cut off
// after 255 bytes:
//
//	dnat name: "NETWORK" id: "ID"
func portmapOwner(comment string) string {
	id, ok := cutLast(comment, `" id: "`)
	id, whole := strings.CutSuffix(id, `"`)
	if !ok || !whole {
		return ""
	}
	return id
}
