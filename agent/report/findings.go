// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// Counts says how many findings there are and which they are: "5 findings: 1 undeclared, 1 of
// unknown origin, 3 expected".
func Counts(summary *v1alpha1.Summary) string {
	text := Count(summary.Findings, "finding")
	if summary.Findings == 0 {
		return text
	}
	return fmt.Sprintf("%s: %d undeclared, %d of unknown origin, %d expected",
		text, summary.Undeclared, summary.UnknownOrigin, summary.Expected)
}

// Nothing says that no finding is listed, in words that fit what was seen, and any choice of checks:
// the posture is no finding.
func Nothing(scan *v1alpha1.Scan) string {
	expected, unseen := scan.Summary.Expected > 0, len(scan.Coverage.Unknown) > 0
	switch {
	case scan.Host.Reference == v1alpha1.HostNone:
		return "No verdict: the host's own namespaces could not be read."
	case expected && unseen:
		return "The policy expects everything that was found, but not everything could be looked at."
	case expected:
		return "The policy expects everything that was found."
	case unseen:
		return "The checks that are on have no finding, but not everything could be looked at."
	case scan.Coverage.Containers == 0:
		return "No containers are running."
	}
	return "The checks that are on have no finding of any container."
}

// Posture counts the findings about the posture that the policy does not expect, by reason: "Posture,
// as declared: RunsAsRoot 3, SeccompUnconfined 5". It is empty where there are none.
func Posture(posture []v1alpha1.Finding) string {
	counts := make(map[string]int)
	for i := range posture {
		if posture[i].Expected == nil {
			counts[posture[i].Reason]++
		}
	}
	if len(counts) == 0 {
		return ""
	}
	var texts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		texts = append(texts, fmt.Sprintf("%s %d", reason, counts[reason]))
	}
	return "Posture, as declared: " + strings.Join(texts, ", ")
}

// ExpectedBy is how many findings a rule of the policy expects.
type ExpectedBy struct {
	v1alpha1.PolicyRule

	Findings int
}

// String says it: "Expected by rule kube-proxy: 3 findings (It programs the packet filter.)".
func (e *ExpectedBy) String() string {
	return fmt.Sprintf("Expected by rule %s: %s (%s)", e.Rule, Count(e.Findings, "finding"), e.Reason)
}

// ByRule counts the expected findings by their rules, in the order of the rules' names.
func ByRule(findings []v1alpha1.Finding) []ExpectedBy {
	counts := make(map[string]ExpectedBy)
	for i := range findings {
		if rule := findings[i].Expected; rule != nil {
			counts[rule.Rule] = ExpectedBy{*rule, counts[rule.Rule].Findings + 1}
		}
	}
	var rules []ExpectedBy
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		rules = append(rules, counts[name])
	}
	return rules
}
