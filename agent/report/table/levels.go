// SPDX-License-Identifier: Apache-2.0

package table

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// maxReasons is how many violations a cell names before they are counted, unless it is wide.
const maxReasons = 2

// writeLevels lists the pods with their levels.
func writeLevels(b *bytes.Buffer, scan *v1alpha1.Scan, options Options) {
	if len(scan.Levels) == 0 {
		b.WriteString("No pod has a level: none runs, or the host's security context could not be read.\n\n")
		return
	}
	rows := make([]string, len(scan.Levels))
	for i := range scan.Levels {
		rows[i] = strings.Join(levelCells(&scan.Levels[i], options), "\t")
	}
	lines := align(rows, "POD\tLEVEL\tDECLARED\tUNVERIFIED\tBECAUSE", options)
	for i := range scan.Levels {
		if line := &lines[len(lines)-len(scan.Levels)+i]; options.Color && scan.Levels[i].Lowered {
			*line = red + *line + reset
		}
	}
	b.WriteString(strings.Join(lines, "\n") + "\n\n")
}

func levelCells(pod *v1alpha1.PodLevel, options Options) []string {
	level := string(pod.Enforced)
	if pod.Lowered {
		level += " (lowered)"
	}
	declared := string(pod.Declared.Lowest)
	if pod.Declared.Highest != pod.Declared.Lowest {
		declared += ".." + string(pod.Declared.Highest)
	}
	unverified := fmt.Sprint(len(pod.Unverified))
	if options.Wide {
		unverified = strings.Join(pod.Unverified, ", ")
	}
	subject := report.Subject{Pod: &pod.Pod}
	return []string{subject.PodName(), level, declared, unverified, reasonsCell(pod, options.Wide)}
}

// reasonsCell says what keeps a pod from a higher level.
func reasonsCell(pod *v1alpha1.PodLevel, all bool) string {
	named := pod.Violations
	if !all {
		named = named[:min(len(named), maxReasons)]
	}
	var reasons []string
	if pod.Enforced == v1alpha1.LevelUnknown {
		reasons = append(reasons, "not all was read")
	}
	for i := range named {
		reason := named[i].Control + ": " + named[i].Detail
		if container := named[i].Container; container != "" {
			reason = container + ": " + reason
		}
		reasons = append(reasons, reason)
	}
	if more := len(pod.Violations) - len(named); more > 0 {
		reasons = append(reasons, fmt.Sprintf("and %d more", more))
	}
	return cmp.Or(strings.Join(reasons, "; "), "-")
}

// levelSummary counts the pods of each level.
func levelSummary(scan *v1alpha1.Scan) string {
	counts := make(map[v1alpha1.Level]int)
	lowered := 0
	for i := range scan.Levels {
		counts[scan.Levels[i].Enforced]++
		if scan.Levels[i].Lowered {
			lowered++
		}
	}
	var parts []string
	for _, level := range []v1alpha1.Level{v1alpha1.LevelPrivileged, v1alpha1.LevelBaseline, v1alpha1.LevelRestricted, v1alpha1.LevelUnknown} {
		if counts[level] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[level], level))
		}
	}
	text := report.Count(len(scan.Levels), "pod")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if lowered > 0 {
		text += fmt.Sprintf("; %d lowered below what was declared", lowered)
	}
	return text + "."
}
