// SPDX-License-Identifier: Apache-2.0

package audit

import "github.com/nsaudit/nsaudit/nsinspect"

// HostCgroup asks whether a container is in the host's cgroup namespace: it sees the cgroups of
// the host, and so which containers there are.
const HostCgroup Check = "HostCgroup"

func hostCgroup() *namespaceCheck {
	return &namespaceCheck{
		kind:      nsinspect.Cgroup,
		ofContext: true,
		bySpec:    true,
		traits: traits{
			name:     HostCgroup,
			verdicts: []Verdict{Shared, Undeclared},
			posture:  []Verdict{Shared},
		},
	}
}
