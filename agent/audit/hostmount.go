// SPDX-License-Identifier: Apache-2.0

package audit

import "github.com/nsaudit/nsaudit/nsinspect"

// HostMount asks whether a container is in the host's mount namespace: it sees, and may change,
// the host's files. Whoever declared that, it is worth to be told.
const HostMount Check = "HostMount"

func hostMount() *namespaceCheck {
	return &namespaceCheck{
		kind:      nsinspect.Mnt,
		ofContext: true,
		traits: traits{
			name:     HostMount,
			verdicts: []Verdict{Shared, Undeclared, Held},
			controls: []string{"ATT&CK T1611"},
		},
	}
}
