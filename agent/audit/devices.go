// SPDX-License-Identifier: Apache-2.0

package audit

// Devices asks which devices of the host a container was given. It is by the runtime spec: the
// rules that the kernel holds can't be read where cgroups are of version 2.
const Devices Check = "Devices"

func devices() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     Devices,
			verdicts: []Verdict{Allowed},
			posture:  []Verdict{Allowed},
			controls: []string{"CIS Docker 5.18"},
		},
		judge: judgeDevices,
	}
}

func judgeDevices(s *subject) []contextVerdict {
	var names []string
	if s.spec.AllDevices {
		names = append(names, "every device")
	}
	names = append(names, s.spec.Devices...)
	if len(names) == 0 {
		return nil
	}
	evidence := new(SecurityEvidence)
	evidence.actual(names...)
	return []contextVerdict{s.allowed(evidence)}
}
