// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/policy/policyfile"
	"github.com/nsaudit/nsaudit/agent/snapshot"
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
		line, isRow := strings.CutPrefix(strings.TrimSpace(line), "|")
		if !isRow {
			continue
		}
		cells := strings.Split(strings.TrimSuffix(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if strings.HasPrefix(cells[0], "---") {
			rows = rows[:len(rows)-1] // The row before was the headings.
			continue
		}
		rows = append(rows, cells)
	}
	return rows
}

// severities returns the severities of each reason, by who declared it: that of pod and spec, of
// nobody, and of unknown.
func severities(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string]map[inventory.Declarer]string)
	for _, kind := range audit.Kinds() {
		reason := kind.Check.Reason(kind.Verdict)
		if found[reason] == nil {
			found[reason] = make(map[inventory.Declarer]string)
		}
		found[reason][kind.DeclaredBy] = string(kind.Severity)
	}
	columns := make(map[string][]string)
	for reason, by := range found {
		if spec := by[inventory.BySpec]; spec != "" && spec != by[inventory.ByPod] {
			t.Errorf("%s: pod and spec need columns of their own", reason)
		}
		for _, declarer := range []inventory.Declarer{inventory.ByPod, inventory.ByNobody, inventory.ByUnknown} {
			columns[reason] = append(columns[reason], orDash(by[declarer]))
		}
	}
	return columns
}

// orDash is what a table has in a cell for this text.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// TestSeveritiesAreDocumented holds the table of docs/scan.md against the severities.
func TestSeveritiesAreDocumented(t *testing.T) {
	t.Parallel()
	var want [][]string
	columns := severities(t)
	for _, outcome := range audit.Outcomes() {
		reason := outcome.Check.Reason(outcome.Verdict)
		want = append(want, append([]string{"`" + reason + "`"}, columns[reason]...))
	}
	if diff := cmp.Diff(want, tables(t, "../../docs/scan.md", "## Severity")); diff != "" {
		t.Errorf("docs/scan.md (-want +got):\n%s", diff)
	}
}

// TestChecksAreDocumented holds docs/checks.md against the checks: each has a heading, and each of
// its reasons a row, in the order of the code.
func TestChecksAreDocumented(t *testing.T) {
	t.Parallel()
	const path = "../../docs/checks.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var headings []audit.Check
	var rows [][]string
	for _, match := range regexp.MustCompile(`(?m)^## (.*)$|^### (\w+)$`).FindAllStringSubmatch(string(text), -1) {
		if match[2] != "" {
			headings = append(headings, audit.Check(match[2]))
			continue
		}
		for _, row := range tables(t, path, match[0]) {
			if len(row) == 6 { // Other tables have fewer columns.
				rows = append(rows, row)
			}
		}
	}
	if diff := cmp.Diff(audit.Checks(), headings); diff != "" {
		t.Errorf("the headings of %s (-want +got):\n%s", path, diff)
	}
	if diff := cmp.Diff(reasonRows(t), rows); diff != "" {
		t.Errorf("the tables of %s (-want +got):\n%s", path, diff)
	}
}

// reasonRows are the rows of the tables of docs/checks.md.
func reasonRows(t *testing.T) [][]string {
	t.Helper()
	var rows [][]string
	columns := severities(t)
	for _, outcome := range audit.Outcomes() {
		reason, what := outcome.Check.Reason(outcome.Verdict), "finding"
		switch {
		case outcome.Optional && outcome.Posture:
			what = "posture, off"
		case outcome.Optional:
			what = "finding, off"
		case outcome.Posture:
			what = "posture"
		}
		controls := orDash(strings.Join(outcome.Controls, ", "))
		rows = append(rows, slices.Concat([]string{"`" + reason + "`", what}, columns[reason], []string{controls}))
	}
	return rows
}

// everyMetric returns a registry with all that an agent registers: in a cluster, with a policy.
func everyMetric(t *testing.T) *prometheus.Registry {
	t.Helper()
	const kubeconfig = `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c}}],
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]}`
	options := defaultAgentOptions()
	options.node, options.kubeconfig = "node-1", filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(options.kubeconfig, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	procfs, err := options.openProcfs()
	if err != nil {
		t.Fatal(err)
	}
	defer procfs.Close()
	service, err := newService(streams{out: io.Discard, err: io.Discard}, options, procfs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := policyfile.New(policyfile.Config{Registerer: service.registry, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	return service.registry
}

// metricLabels returns the labels of the metrics of a registry, by their names, whether or not
// they have series.
func metricLabels(t *testing.T, registry *prometheus.Registry) map[string][]string {
	t.Helper()
	descriptions := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(descriptions)
		close(descriptions)
	}()
	form := regexp.MustCompile(`(?s)^Desc\{fqName: "(\w+)", help: ".*", constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	metrics := make(map[string][]string)
	for description := range descriptions {
		parts := form.FindStringSubmatch(description.String())
		if parts == nil {
			t.Fatalf("the description has another form: %s", description)
		}
		labels := strings.FieldsFunc(parts[3], func(r rune) bool { return r == ',' })
		for _, pair := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(parts[2], -1) {
			labels = append(labels, pair[1])
		}
		slices.Sort(labels)
		metrics[parts[1]] = labels
	}
	return metrics
}

// TestMetricsAreDocumented holds the tables of docs/metrics.md against what an agent registers.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	want := metricLabels(t, everyMetric(t))
	maps.DeleteFunc(want, func(name string, _ []string) bool { return !strings.HasPrefix(name, "nsaudit_") })
	got, causes := make(map[string][]string), []string(nil)
	for _, row := range slices.Concat(tables(t, "../../docs/metrics.md", "## The node"), tables(t, "../../docs/metrics.md", "## The agent")) {
		name := strings.Trim(row[0], "`")
		if !strings.HasPrefix(name, "nsaudit_") {
			causes = append(causes, name)
			continue
		}
		labels := strings.FieldsFunc(row[1], func(r rune) bool { return strings.ContainsRune("`, ", r) })
		slices.Sort(labels)
		got[name] = labels
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("docs/metrics.md (-want +got):\n%s", diff)
	}
	var wantCauses []string
	for _, cause := range snapshot.Causes() {
		wantCauses = append(wantCauses, string(cause))
	}
	slices.Sort(wantCauses)
	slices.Sort(causes)
	if diff := cmp.Diff(wantCauses, causes); diff != "" {
		t.Errorf("the causes in docs/metrics.md (-want +got):\n%s", diff)
	}
}
