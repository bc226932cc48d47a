// SPDX-License-Identifier: Apache-2.0

package audit

import "github.com/nsaudit/nsaudit/nsinspect"

// HostUTS asks whether a container is in the host's UTS namespace: with CAP_SYS_ADMIN it may
// change the host's name.
const HostUTS Check = "HostUTS"

func hostUTS() *namespaceCheck {
	return &namespaceCheck{
		kind:      nsinspect.UTS,
		ofContext: true,
		bySpec:    true,
		traits: traits{
			name:     HostUTS,
			verdicts: []Verdict{Shared, Undeclared},
			posture:  []Verdict{Shared},
			controls: []string{"CIS Docker 5.21"},
		},
	}
}
