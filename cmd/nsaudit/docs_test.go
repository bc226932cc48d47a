// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
)

// tables returns the rows of the tables in a part of a document that begins with a heading:
// their cells, without the headings of the tables.
func tables(t *testing.T, path, heading string) [][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", path, heading)
	}
	part, _, _ = strings.Cut(part, "\n## ")
	var rows [][]string
	for line := range strings.Lines(part) {
		line, isRow := strings.CutPrefix(strings.TrimSpace(line), "| ")
		switch cells := strings.Split(strings.TrimSuffix(line, " |"), " | "); {
		case !isRow:
		case strings.HasPrefix(cells[0], "---"):
			rows = rows[:len(rows)-1] // The row before was the headings.
		default:
			rows = append(rows, cells)
		}
	}
	return rows
}

// TestSeveritiesAreDocumented holds the table of docs/scan.md against the severities.
func TestSeveritiesAreDocumented(t *testing.T) {
	t.Parallel()
	var reasons []string
	severities := make(map[string]map[inventory.Declarer]string)
	for _, kind := range audit.Kinds() {
		reason := (&audit.Finding{Check: kind.Check, Verdict: kind.Verdict}).Reason()
		if severities[reason] == nil {
			reasons = append(reasons, reason)
			severities[reason] = make(map[inventory.Declarer]string)
		}
		severities[reason][kind.DeclaredBy] = string(kind.Severity)
	}
	var want [][]string
	for _, reason := range reasons {
		by := severities[reason]
		if by[inventory.ByPod] != by[inventory.BySpec] {
			t.Errorf("%s: pod and spec need columns of their own", reason)
		}
		row := []string{"`" + reason + "`"}
		for _, declarer := range []inventory.Declarer{inventory.ByPod, inventory.ByNobody, inventory.ByUnknown} {
			severity := by[declarer]
			if severity == "" {
				severity = "-"
			}
			row = append(row, severity)
		}
		want = append(want, row)
	}
	if diff := cmp.Diff(want, tables(t, "../../docs/scan.md", "## Severity")); diff != "" {
		t.Errorf("docs/scan.md (-want +got):\n%s", diff)
	}
}
