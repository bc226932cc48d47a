// SPDX-License-Identifier: Apache-2.0

package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

func TestCounts(t *testing.T) {
	t.Parallel()
	for want, summary := range map[string]v1alpha1.Summary{
		"0 findings": {},
		"1 finding: 0 undeclared, 0 of unknown origin, 0 expected":  {Findings: 1},
		"9 findings: 2 undeclared, 1 of unknown origin, 4 expected": {Findings: 9, Undeclared: 2, UnknownOrigin: 1, Expected: 4, Warning: 3},
	} {
		if diff := cmp.Diff(want, Counts(&summary)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestNothing(t *testing.T) {
	t.Parallel()
	expected := v1alpha1.Summary{Findings: 2, Expected: 2}
	unknown := []v1alpha1.Unknown{{Reason: "r"}}
	tests := map[string]struct {
		scan v1alpha1.Scan
		want string
	}{
		"no host": {
			v1alpha1.Scan{Host: v1alpha1.Host{Reference: v1alpha1.HostNone}, Summary: expected},
			"No verdict: the host's own namespaces could not be read.",
		},
		"all is expected": {v1alpha1.Scan{Summary: expected}, "The policy expects everything that was found."},
		"all is expected, something is unknown": {
			v1alpha1.Scan{Summary: expected, Coverage: v1alpha1.Coverage{Containers: 2, Unknown: unknown}},
			"The policy expects everything that was found, but not everything could be looked at.",
		},
		"something is unknown": {
			v1alpha1.Scan{Coverage: v1alpha1.Coverage{Unknown: unknown}},
			"The checks that are on have no finding, but not everything could be looked at.",
		},
		"no container": {v1alpha1.Scan{}, "No containers are running."},
		"clean": {
			v1alpha1.Scan{Coverage: v1alpha1.Coverage{Containers: 1}},
			"The checks that are on have no finding of any container.",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, Nothing(&test.scan)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestByRule(t *testing.T) {
	t.Parallel()
	a, b := &v1alpha1.PolicyRule{Rule: "a", Reason: "First."}, &v1alpha1.PolicyRule{Rule: "b", Reason: "Second."}
	var got []string
	for _, rule := range ByRule([]v1alpha1.Finding{{Expected: b}, {SeverityFrom: a}, {}, {Expected: a}, {Expected: b}}) {
		got = append(got, rule.String())
	}
	want := []string{"Expected by rule a: 1 finding (First.)", "Expected by rule b: 2 findings (Second.)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
