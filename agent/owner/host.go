// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

// HostContainers returns the containers that the host itself is in, outermost first, from the
// cgroups of the host reference. A kind node is a container of the machine around it.
func HostContainers(host []cgroup.Entry) []string {
	var ids []string
	seen := make(map[string]bool)
	for _, entry := range host {
		for _, ref := range runtimes.Refs(entry.Path) {
			if !seen[ref.ID] {
				seen[ref.ID] = true
				ids = append(ids, ref.ID)
			}
		}
	}
	return ids
}
