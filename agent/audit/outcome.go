// SPDX-License-Identifier: Apache-2.0

package audit

// Outcome is a verdict that a check can give, with what is true of each finding of it.
type Outcome struct {
	Check   Check
	Verdict Verdict
	// Posture: it is about what was declared and is common. Optional: it is left out unless it is
	// asked for.
	Posture, Optional bool
	// Controls are the controls of public catalogues that it stands for.
	Controls []string
}

// Outcomes returns the verdicts of all checks.
func Outcomes() []Outcome {
	var outcomes []Outcome
	for _, check := range checks() {
		for _, verdict := range check.Verdicts() {
			outcomes = append(outcomes, Outcome{
				Check: check.Name(), Verdict: verdict,
				Posture: check.Posture(verdict), Optional: check.Optional(verdict), Controls: check.Controls(verdict),
			})
		}
	}
	return outcomes
}
