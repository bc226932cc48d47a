// SPDX-License-Identifier: Apache-2.0

package audit

// Privileged asks whether a container is privileged: it has every capability and every device,
// and nothing of the kernel is hidden from it.
const Privileged Check = "Privileged"

func privileged() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     Privileged,
			verdicts: []Verdict{Allowed, Undeclared},
			controls: []string{"PSS baseline: Privileged Containers", "CIS Kubernetes 5.2.2", "CIS Docker 5.5", "ATT&CK T1610", "ATT&CK T1611"},
			drift:    []string{"CIS Docker 5.23", "ATT&CK T1609"},
		},
		reads: fromCredentials,
		judge: judgePrivileged,
	}
}

func judgePrivileged(s *subject) []contextVerdict {
	var verdicts []contextVerdict
	if s.asksPrivileged() {
		evidence := new(SecurityEvidence)
		evidence.actual("privileged")
		verdicts = append(verdicts, s.allowed(evidence))
	}
	if drift, more := s.moreCapabilities(true); drift.found() {
		drift.actual(append([]string{"every capability"}, capabilityTexts(more)...)...)
		drift.declared(capabilityTexts(s.spec.Holds())...)
		verdicts = append(verdicts, undeclared(drift))
	}
	return verdicts
}

// asksPrivileged reports whether the pod asks for a privileged container. Outside pods nothing
// says so, and it is known by what it makes of the spec.
func (s *subject) asksPrivileged() bool {
	if s.request != nil {
		return s.request.Privileged
	}
	return s.host.HasAll(s.spec.Bounding) && s.spec.AllDevices && len(s.spec.Masked) == 0 && len(s.spec.ReadOnlyPaths) == 0
}
