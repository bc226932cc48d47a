// SPDX-License-Identifier: Apache-2.0

package audit

// WritableRoot asks whether a container can write to its root file system.
const WritableRoot Check = "WritableRoot"

func writableRoot() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     WritableRoot,
			verdicts: []Verdict{Allowed, Undeclared},
			posture:  []Verdict{Allowed},
			optional: []Verdict{Allowed},
			controls: []string{"CIS Docker 5.13"},
		},
		reads: fromMounts,
		judge: judgeWritableRoot,
	}
}

func judgeWritableRoot(s *subject) []contextVerdict {
	if s.Mounts == nil || s.Mounts.ReadOnlyRoot {
		return nil
	}
	evidence := new(SecurityEvidence)
	evidence.actual("/ (writable)")
	if s.spec.ReadOnlyRoot || s.request != nil && s.request.ReadOnlyRoot {
		evidence.declared("/ (read-only)")
		return []contextVerdict{undeclared(evidence)}
	}
	return []contextVerdict{s.allowed(evidence)}
}
