// SPDX-License-Identifier: Apache-2.0

package audit

import "github.com/nsaudit/nsaudit/nsinspect"

// HostNetwork asks whether a container is in the host's network namespace: it then sees
// the host's interfaces, may listen on its ports and reaches its abstract UNIX sockets.
const HostNetwork Check = "HostNetwork"

func hostNetwork() *namespaceCheck {
	return &namespaceCheck{
		kind: nsinspect.Net,
		traits: traits{
			name:     HostNetwork,
			verdicts: []Verdict{Shared, Undeclared, Held, NotInEffect},
			controls: []string{"CIS Kubernetes 5.2.5", "CIS Docker 5.10", "PSS baseline: Host Namespaces", "ATT&CK T1611"},
		},
	}
}
