// SPDX-License-Identifier: Apache-2.0

// Package table renders the document of a scan for people: as a table, followed by what the
// policy expects, what is unknown, and a line of summary.
package table

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// Options are how a table looks.
type Options struct {
	// Wide adds columns: the reason, the finding's id, the image, the container's id and the
	// controls; and a table of the containers' security contexts.
	Wide bool
	// ShowPosture lists the findings about the posture with the rest. Without it, a line counts
	// them.
	ShowPosture bool
	// ShowExpected lists what the policy expects with the rest, with the rules in a column.
	// Without it, a line for each rule counts what it expects.
	ShowExpected bool
	// Levels lists the pods by their Pod Security level, instead of the findings.
	Levels bool
	// NoHeaders leaves the line of headings out.
	NoHeaders bool
	// Color marks with ANSI colours what people should act on, and what is unknown.
	Color bool
	// Filtered says that the document may have been made with containers left out.
	Filtered bool
}

const (
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	reset  = "\x1b[0m"
)

// Write writes the findings as a table, then those that the policy expects by rule, what could
// not be seen, and a line of summary.
func Write(w io.Writer, scan *v1alpha1.Scan, options Options) error {
	var b bytes.Buffer
	if options.Levels {
		writeLevels(&b, scan, options)
		writeUnknown(&b, scan.Coverage.Unknown, options)
		b.WriteString(levelSummary(scan) + "\n")
	} else {
		writeFindings(&b, scan, options)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func writeFindings(b *bytes.Buffer, scan *v1alpha1.Scan, options Options) {
	if listed := listed(scan, options); len(listed) > 0 {
		writeRows(b, listed, options)
	} else {
		b.WriteString(nothing(scan, options.Filtered) + "\n\n")
	}
	if !options.ShowExpected {
		writeExpected(b, scan.Findings)
	}
	if text := report.Posture(scan.Posture); text != "" && !options.ShowPosture {
		b.WriteString(text + ". List it with --show-posture.\n\n")
	}
	if options.Wide {
		writeContainers(b, scan.Containers, options)
	}
	writeUnknown(b, scan.Coverage.Unknown, options)
	b.WriteString(summary(scan) + "\n")
}

// listed returns the findings that have a row.
func listed(scan *v1alpha1.Scan, options Options) []*v1alpha1.Finding {
	groups := [][]v1alpha1.Finding{scan.Findings}
	if options.ShowPosture {
		groups = append(groups, scan.Posture)
	}
	var listed []*v1alpha1.Finding
	for _, findings := range groups {
		for i := range findings {
			if finding := &findings[i]; finding.Expected == nil || options.ShowExpected {
				listed = append(listed, finding)
			}
		}
	}
	return listed
}

func writeRows(b *bytes.Buffer, findings []*v1alpha1.Finding, options Options) {
	rows := make([]string, len(findings))
	for i, finding := range findings {
		rows[i] = strings.Join(cells(finding, options), "\t")
	}
	lines := align(rows, strings.Join(headings(options), "\t"), options)
	for i, finding := range findings {
		if line := &lines[len(lines)-len(findings)+i]; options.Color && finding.Warns() {
			*line = red + *line + reset
		}
	}
	b.WriteString(strings.Join(lines, "\n") + "\n\n")
}

// align turns lines of tab-separated cells, and a first line of headings if they are wanted, into
// columns. Colours come afterwards: their codes would count as width.
func align(rows []string, headings string, options Options) []string {
	if !options.NoHeaders {
		rows = append([]string{headings}, rows...)
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	// A builder takes everything, so neither call can fail.
	_, _ = table.Write([]byte(strings.Join(rows, "\n") + "\n"))
	_ = table.Flush()
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func headings(options Options) []string {
	columns := []string{"POD", "CONTAINER", "CHECK", "SEVERITY", "DECLARED BY"}
	if options.ShowExpected {
		columns = append(columns, "EXPECTED BY")
	}
	if options.Wide {
		columns = append(columns, "REASON", "FINDING", "IMAGE", "ID", "CONTROLS")
	}
	return append(columns, "EVIDENCE")
}

func cells(finding *v1alpha1.Finding, options Options) []string {
	subject := report.Subject{Pod: finding.Pod, Container: finding.Container}
	cells := []string{
		subject.PodName(), subject.Name(), string(finding.Check), string(finding.Severity), string(finding.DeclaredBy),
	}
	if options.ShowExpected {
		rule := "-"
		if finding.Expected != nil {
			rule = finding.Expected.Rule
		}
		cells = append(cells, rule)
	}
	if options.Wide {
		cells = append(cells, finding.Reason, finding.ID, cmp.Or(finding.Container.Image, "-"),
			finding.Container.ID, strings.Join(finding.Controls, ", "))
	}
	return append(cells, evidenceCell(finding))
}

// limits are how many processes or ports a cell names.
func limits() report.Limits { return report.Limits{Processes: 2, Ports: 4} }

func evidenceCell(finding *v1alpha1.Finding) string {
	evidence := &finding.Evidence
	text := report.Evidence(evidence, limits())
	if evidence.Kind != "" && len(evidence.Ports) == 0 {
		text += " in " + report.Namespace(evidence)
	}
	if evidence.JoinedPath != "" {
		text += ", joined by path " + evidence.JoinedPath
	}
	switch finding.Verdict {
	case v1alpha1.NotInEffect:
		return "not in effect: " + text
	case v1alpha1.Shadows:
		if shadowed, n := report.Shadowed(evidence); n > 0 {
			return text + ", before " + shadowed
		}
	case v1alpha1.Unlisted:
		return "not listed: " + text
	case v1alpha1.Held:
		return "held: " + text
	case v1alpha1.Hijacks:
		return "hijacked: " + text
	}
	return text
}
