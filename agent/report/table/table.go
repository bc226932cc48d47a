// SPDX-License-Identifier: Apache-2.0

// Package table renders the document of a scan for people: as a table, followed by what is
// unknown and a line of summary.
package table

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// Options are how a table looks.
type Options struct {
	// Wide adds columns: the reason, the image, the container's id and the controls.
	Wide bool
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

// Write writes the findings as a table, then what could not be seen, then a line of summary.
func Write(w io.Writer, scan *v1alpha1.Scan, options Options) error {
	var b bytes.Buffer
	if len(scan.Findings) > 0 {
		writeRows(&b, scan.Findings, options)
	} else {
		b.WriteString(nothing(scan, options.Filtered) + "\n\n")
	}
	writeUnknown(&b, scan.Coverage.Unknown, options)
	b.WriteString(summary(scan) + "\n")
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func writeRows(b *bytes.Buffer, findings []v1alpha1.Finding, options Options) {
	rows := make([]string, len(findings), len(findings)+1)
	for i := range findings {
		rows[i] = strings.Join(cells(&findings[i], options.Wide), "\t")
	}
	if !options.NoHeaders {
		rows = append([]string{strings.Join(headings(options.Wide), "\t")}, rows...)
	}
	lines := align(rows)
	for i := range findings {
		if line := &lines[len(lines)-len(findings)+i]; options.Color && findings[i].Warns() {
			*line = red + *line + reset
		}
	}
	b.WriteString(strings.Join(lines, "\n") + "\n\n")
}

// align turns lines of tab-separated cells into columns. Colours come afterwards: their
// codes would count as width.
func align(rows []string) []string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	// A builder takes everything, so neither call can fail.
	_, _ = table.Write([]byte(strings.Join(rows, "\n") + "\n"))
	_ = table.Flush()
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func headings(wide bool) []string {
	columns := []string{"POD", "CONTAINER", "CHECK", "DECLARED BY"}
	if wide {
		columns = append(columns, "REASON", "IMAGE", "ID", "CONTROLS")
	}
	return append(columns, "EVIDENCE")
}

func cells(finding *v1alpha1.Finding, wide bool) []string {
	subject := report.Subject{Pod: finding.Pod, Container: finding.Container}
	cells := []string{subject.PodName(), subject.Name(), string(finding.Check), string(finding.DeclaredBy)}
	if wide {
		image := finding.Container.Image
		if image == "" {
			image = "-"
		}
		cells = append(cells, finding.Reason, image, finding.Container.ID, strings.Join(finding.Controls, ", "))
	}
	return append(cells, evidenceCell(finding))
}

// limits are how many processes or ports a cell names.
func limits() report.Limits { return report.Limits{Processes: 2, Ports: 4} }

func evidenceCell(finding *v1alpha1.Finding) string {
	evidence := &finding.Evidence
	text := report.Evidence(evidence, limits())
	if len(evidence.Ports) == 0 {
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
	}
	return text
}
