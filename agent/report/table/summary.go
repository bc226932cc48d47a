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

// nothing says that there is no finding, in words that fit what was seen.
func nothing(scan *v1alpha1.Scan, filtered bool) string {
	switch {
	case scan.Host.Reference == v1alpha1.HostNone:
		return "No verdict: the host's own namespaces could not be read."
	case len(scan.Coverage.Unknown) > 0:
		return "No sharing was seen, but not everything could be looked at."
	case scan.Coverage.Containers == 0 && filtered:
		return "No running container belongs to such a pod."
	case scan.Coverage.Containers == 0:
		return "No containers are running."
	}
	return "No container shares the host's network, PID or IPC namespace, or has one of its ports."
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
	undeclared := 0
	for i := range scan.Findings {
		if !scan.Findings[i].DeclaredBy.Declared() {
			undeclared++
		}
	}
	took := time.Duration(scan.DurationSeconds * float64(time.Second)).Round(time.Millisecond)
	return fmt.Sprintf("%s, %d undeclared, in %s. Looked at %s (%s in containers) in %s; %d unknown. Host: %s. Containers: %s.",
		report.Count(len(scan.Findings), "finding"), undeclared, report.Count(scan.Coverage.Containers, "container"),
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
