// SPDX-License-Identifier: Apache-2.0

package runtimes

import "slices"

// ciliumInterface is an interface of each node that Cilium runs on.
const ciliumInterface = "cilium_host"

// Datapath names the network that forwards without rules on a node with these interfaces, or
// is empty.
func Datapath(interfaces []string) string {
	if slices.Contains(interfaces, ciliumInterface) {
		return "Cilium"
	}
	return ""
}
