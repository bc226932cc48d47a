// SPDX-License-Identifier: Apache-2.0

package audit

import "github.com/nsaudit/nsaudit/nsinspect"

// HostIPC asks whether a container is in the host's IPC namespace: it then reaches the
// System V shared memory, semaphores and queues of the host's processes.
const HostIPC Check = "HostIPC"

func hostIPC() *namespaceCheck {
	return &namespaceCheck{
		kind: nsinspect.IPC,
		traits: traits{
			name:     HostIPC,
			verdicts: []Verdict{Shared, Undeclared, Held, NotInEffect},
			controls: []string{"CIS Kubernetes 5.2.4", "CIS Docker 5.17", "PSS baseline: Host Namespaces", "ATT&CK T1611"},
		},
	}
}
