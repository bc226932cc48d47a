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
		if spec := by[inventory.BySpec]; spec != "" && spec != by[inventory.ByPod] {
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
