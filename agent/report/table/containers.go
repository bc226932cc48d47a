// SPDX-License-Identifier: Apache-2.0

package table

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// writeContainers lists the containers by pod with their security contexts, as the kernel enforces
// them.
func writeContainers(b *bytes.Buffer, containers []v1alpha1.Container, options Options) {
	if len(containers) == 0 {
		return
	}
	rows := make([]string, len(containers))
	for i := range containers {
		rows[i] = strings.Join(containerCells(&containers[i]), "\t")
	}
	slices.Sort(rows)
	lines := align(rows, "POD\tCONTAINER\tUSER\tCAPABILITIES\tNO NEW PRIVILEGES\tSECCOMP\tROOT\tLABEL\tLEVEL", options)
	b.WriteString(strings.Join(lines, "\n") + "\n\n")
}

func containerCells(container *v1alpha1.Container) []string {
	subject := report.Subject{Pod: container.Pod, Container: container.ContainerRef}
	cells := []string{subject.PodName(), subject.Name()}
	security := container.Security
	if security == nil {
		return append(cells, "unknown", "unknown", "unknown", "unknown", "unknown", "-", "unknown")
	}
	return append(cells,
		usersCell(security), capabilitiesCell(security),
		word(security.NoNewPrivileges, "yes", "no"), word(security.Seccomp, "filter", "none"),
		word(security.ReadOnlyRoot, "read-only", "writable"), cmp.Or(security.Label, "-"), cmp.Or(security.Level, "-"),
	)
}

// usersCell names the users and, where the container has a user namespace, marks that.
func usersCell(security *v1alpha1.Security) string {
	text := strings.Join(security.Users, ", ")
	if security.MoreUsers > 0 {
		text += fmt.Sprintf(" and %d more", security.MoreUsers)
	}
	if security.UserNamespace {
		text += " (user namespace)"
	}
	return text
}

// maxCapabilities is how many capabilities are named before they are counted.
const maxCapabilities = 3

func capabilitiesCell(security *v1alpha1.Security) string {
	switch n := len(security.Capabilities); {
	case security.AllCapabilities:
		return "all"
	case n == 0:
		return "none"
	case n > maxCapabilities:
		return fmt.Sprint(n)
	}
	return strings.Join(security.Capabilities, ", ")
}

// word returns one of two words, or "unknown" where it was not read which.
func word(is *bool, yes, no string) string {
	switch {
	case is == nil:
		return "unknown"
	case *is:
		return yes
	}
	return no
}
