// SPDX-License-Identifier: Apache-2.0

package audit

import "github.com/nsaudit/nsaudit/nsinspect"

// HostPID asks whether a container is in the host's PID namespace: it then sees, and as
// root may signal and trace, the host's processes.
const HostPID Check = "HostPID"

func hostPID() *namespaceCheck {
	return &namespaceCheck{
		kind: nsinspect.PID,
		traits: traits{
			name:     HostPID,
			verdicts: []Verdict{Shared, Undeclared, Held, NotInEffect},
			controls: []string{"CIS Kubernetes 5.2.3", "CIS Docker 5.16", "PSS baseline: Host Namespaces", "ATT&CK T1611"},
		},
	}
}
