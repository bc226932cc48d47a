// SPDX-License-Identifier: Apache-2.0

package promql

import (
	"os"
	"strings"
	"testing"
)

const docs = "../../../docs/"

// newChecker returns a checker for the document, and the document.
func newChecker(t *testing.T) (*checker, string) {
	t.Helper()
	document, err := os.ReadFile(docs + "metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := os.ReadFile(docs + "schema/v1alpha1/scan.json")
	if err != nil {
		t.Fatal(err)
	}
	words, err := words(schema)
	if err != nil {
		t.Fatal(err)
	}
	return &checker{metrics(string(document)), words}, string(document)
}

func TestQueriesOfTheDocument(t *testing.T) {
	t.Parallel()
	checker, document := newChecker(t)
	queries := queries(document)
	if len(checker.metrics) < 20 || len(queries) < 10 {
		t.Fatalf("%d metrics and %d queries in the document: was its form changed?", len(checker.metrics), len(queries))
	}
	for _, query := range queries {
		if err := checker.check(query); err != nil {
			t.Errorf("%s\n%v", query, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		`sum by (check nsaudit_findings`:                                            "parse error",
		`nsaudit_finding`:                                                           `no metric "nsaudit_finding"`,
		`nsaudit_findings_bucket`:                                                   `no metric "nsaudit_findings_bucket"`,
		`nsaudit_findings{pod="a"}`:                                                 `"pod" is not among the labels of nsaudit_findings`,
		`nsaudit_findings{severity=~"critical|hihg"}`:                               `"hihg" is not among the words of severity`,
		`nsaudit_unknown{cause="whim"}`:                                             `"whim" is not among the words of cause`,
		`sum by (namespace) (nsaudit_findings)`:                                     `"namespace" is not among the labels of nsaudit_findings`,
		`sum without (pod) (nsaudit_findings)`:                                      `"pod" is not among the labels`,
		`sum by (le) (rate(nsaudit_scan_duration_seconds_count[5m]))`:               `no metric "nsaudit_scan_duration_seconds_count"`,
		`sum by (check) (sum by (instance) (nsaudit_findings))`:                     `"check" is not among the labels of sum by`,
		`sum by (check) (nsaudit_findings) unless on (instance) nsaudit_containers`: `"instance" is not among the labels of sum by`,
		`nsaudit_findings unless on (check) nsaudit_containers`:                     `"check" is not among the labels of nsaudit_containers`,
	} {
		checker, _ := newChecker(t)
		if err := checker.check(query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", query, err, want)
		}
	}
}
