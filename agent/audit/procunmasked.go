// SPDX-License-Identifier: Apache-2.0

package audit

import "slices"

// ProcUnmasked asks whether a container sees, or can write, files below /proc that are about the
// whole machine and that runtimes hide by default.
const ProcUnmasked Check = "ProcUnmasked"

func procUnmasked() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     ProcUnmasked,
			verdicts: []Verdict{Allowed, Undeclared},
			posture:  []Verdict{Allowed},
			controls: []string{"PSS baseline: /proc Mount Type", "PSS restricted: /proc Mount Type"},
		},
		reads: fromMounts,
		judge: judgeProcUnmasked,
	}
}

func judgeProcUnmasked(s *subject) []contextVerdict {
	evidence := new(SecurityEvidence)
	told := slices.Concat(s.spec.Masked, s.spec.ReadOnlyPaths)
	switch asks := s.request != nil && !s.request.Privileged && len(s.request.Masked)+len(s.request.ReadOnlyPaths) > 0; {
	case len(told) == 0 && asks:
		evidence.actual("/proc")
		evidence.declared(slices.Concat(s.request.Masked, s.request.ReadOnlyPaths)...)
		return []contextVerdict{undeclared(evidence)}
	case len(told) == 0:
		evidence.actual("/proc")
		return []contextVerdict{s.allowed(evidence)}
	case s.Mounts == nil || len(s.Mounts.Exposed) == 0:
		return nil
	}
	evidence.actual(s.Mounts.Exposed...)
	evidence.declared(told...)
	return []contextVerdict{undeclared(evidence)}
}
