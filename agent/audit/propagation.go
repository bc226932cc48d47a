// SPDX-License-Identifier: Apache-2.0

package audit

// Propagation asks whether what a container mounts appears on the host too.
const Propagation Check = "Propagation"

func propagation() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     Propagation,
			verdicts: []Verdict{Allowed},
			posture:  []Verdict{Allowed},
			controls: []string{"CIS Docker 5.20"},
		},
		judge: judgePropagation,
	}
}

func judgePropagation(s *subject) []contextVerdict {
	var shared []string
	for _, mount := range s.declaredMounts() {
		if mount.Shares {
			shared = append(shared, mount.Source+" at "+mount.Point)
		}
	}
	if len(shared) == 0 {
		return nil
	}
	evidence := new(SecurityEvidence)
	evidence.actual(distinct(shared)...)
	return []contextVerdict{s.allowed(evidence)}
}
