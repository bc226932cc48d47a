// SPDX-License-Identifier: Apache-2.0

package table

import (
	"bytes"
	"cmp"
	"fmt"
	"time"

	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// nothing says that no finding is listed, in words that fit what was seen.
func nothing(scan *v1alpha1.Scan, filtered bool) string {
	if filtered && scan.Coverage.Containers == 0 && len(scan.Coverage.Unknown) == 0 {
		return "No running container belongs to such a pod."
	}
	return report.Nothing(scan)
}

// maxRuleLines caps the rules that a table lists; JSON names the rule of each finding.
const maxRuleLines = 20

// writeExpected counts what each rule of the policy expects.
func writeExpected(b *bytes.Buffer, findings []v1alpha1.Finding) {
	rules := report.ByRule(findings)
	if len(rules) == 0 {
		return
	}
	for i := range rules {
		if i == maxRuleLines {
			fmt.Fprintf(b, "… and by %s: see -o json\n", report.Count(len(rules)-i, "more rule"))
			break
		}
		b.WriteString(rules[i].String() + "\n")
	}
	b.WriteByte('\n')
}

// maxUnknownLines caps the unknown that a table lists; JSON has all of it.
const maxUnknownLines = 20

func writeUnknown(b *bytes.Buffer, unknown []v1alpha1.Unknown, options Options) {
	if len(unknown) == 0 {
		return
	}
	start, end := "", ""
	if options.Color {
		start, end = yellow, reset
	}
	fmt.Fprintf(b, "%sUnknown, which is not the same as clean:%s\n", start, end)
	for i, u := range unknown {
		if i == maxUnknownLines {
			fmt.Fprintf(b, "  … and %d more: see -o json\n", len(unknown)-i)
			break
		}
		fmt.Fprintf(b, "  %s%s%s: %s\n", start, cmp.Or(u.Container, "node"), end, u.Reason)
	}
	b.WriteByte('\n')
}

// summary is the last line: how much was found and how much was looked at.
func summary(scan *v1alpha1.Scan) string {
	took := time.Duration(scan.DurationSeconds * float64(time.Second)).Round(time.Millisecond)
	return fmt.Sprintf("%s, in %s. Looked at %s (%s in containers) in %s; %d unknown. Host: %s. Containers: %s.",
		report.Counts(&scan.Summary), report.Count(scan.Coverage.Containers, "container"),
		report.Count(scan.Coverage.Processes, "process"), report.Count(scan.Coverage.Threads, "thread"), took,
		len(scan.Coverage.Unknown), hostText(&scan.Host), inventoryText(&scan.Inventory))
}

func hostText(host *v1alpha1.Host) string {
	switch host.Reference {
	case v1alpha1.HostNone:
		return "none"
	case v1alpha1.HostPID1:
		return "pid 1"
	}
	return fmt.Sprintf("pid %d (%s)", host.PID, host.Reference)
}

func inventoryText(inventory *v1alpha1.Inventory) string {
	if inventory.Source == v1alpha1.FromCgroups {
		return "recognised by their cgroups, without containerd"
	}
	return fmt.Sprintf("%s %s at %s", inventory.Source, inventory.Version, inventory.Address)
}
