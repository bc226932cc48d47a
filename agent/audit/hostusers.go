// SPDX-License-Identifier: Apache-2.0

package audit

import "github.com/nsaudit/nsaudit/nsinspect"

// HostUsers asks whether a container is in the host's user namespace: root in it is root of the
// host. Most are.
const HostUsers Check = "HostUsers"

func hostUsers() *namespaceCheck {
	return &namespaceCheck{
		kind:      nsinspect.User,
		ofContext: true,
		bySpec:    true,
		traits: traits{
			name:     HostUsers,
			verdicts: []Verdict{Shared, Undeclared},
			posture:  []Verdict{Shared},
			optional: []Verdict{Shared},
			controls: []string{"CIS Docker 5.31"},
		},
	}
}
