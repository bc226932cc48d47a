// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Summary counts findings.
type Summary struct {
	// Findings are all of them.
	Findings int `json:"findings"`
	// Undeclared are those that nobody declared, without the expected ones.
	Undeclared int `json:"undeclared"`
	// UnknownOrigin are those of which it could not be read who declared them.
	UnknownOrigin int `json:"unknownOrigin"`
	// Expected are those that a rule of the policy expects.
	Expected int `json:"expected"`
	// Warning are those that people should act on: their Events are Warnings.
	Warning int `json:"warning"`
	// Posture are the findings about the posture, which are not among the others.
	Posture int `json:"posture"`
}

// Summarize counts findings, and those about the posture. Of undeclared, of unknown origin and expected, each is one at most.
func Summarize(findings, posture []Finding) Summary {
	summary := Summary{Findings: len(findings), Posture: len(posture)}
	for i := range findings {
		finding := &findings[i]
		switch {
		case finding.Expected != nil:
			summary.Expected++
		case finding.DeclaredBy == ByNobody:
			summary.Undeclared++
		case !finding.DeclaredBy.Declared():
			summary.UnknownOrigin++
		}
		if finding.Warns() {
			summary.Warning++
		}
	}
	return summary
}
