// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"maps"
	"slices"
)

// Sysctls asks which parameters of the kernel a pod sets that are not among the safe ones. It is
// by the runtime spec: those of another network namespace can't be read.
const Sysctls Check = "Sysctls"

func sysctls() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     Sysctls,
			verdicts: []Verdict{Allowed},
			posture:  []Verdict{Allowed},
			controls: []string{"PSS baseline: Sysctls"},
		},
		ofSandbox: true,
		judge:     judgeSysctls,
	}
}

// safeSysctls are those that the Pod Security Standards of Kubernetes 1.37 allow.
func safeSysctls() []string {
	return []string{
		"kernel.shm_rmid_forced",
		"net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
		"net.ipv4.ping_group_range", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_keepalive_time",
		"net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
		"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat",
	}
}

func judgeSysctls(s *subject) []contextVerdict {
	if s.SandboxID != "" && !s.Sandbox {
		return nil // They are the pod's, and its pause container has them.
	}
	values := maps.Clone(s.spec.Sysctls)
	if s.request != nil && values == nil {
		values = s.request.Sysctls
	}
	var unsafe []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(safeSysctls(), name) {
			unsafe = append(unsafe, name+"="+values[name])
		}
	}
	if len(unsafe) == 0 {
		return nil
	}
	evidence := new(SecurityEvidence)
	evidence.actual(unsafe...)
	return []contextVerdict{s.allowed(evidence)}
}
