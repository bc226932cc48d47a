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
	var rows []string
	if !options.NoHeaders {
		rows = append(rows, "POD\tCONTAINER\tUSER\tCAPABILITIES\tNO NEW PRIVILEGES\tSECCOMP\tROOT\tLABEL\tLEVEL")
	}
	var cells []string
	for i := range containers {
		cells = append(cells, strings.Join(containerCells(&containers[i]), "\t"))
	}
	slices.Sort(cells)
	rows = append(rows, cells...)
	if len(containers) > 0 {
		b.WriteString(strings.Join(align(rows), "\n") + "\n\n")
	}
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

// word says whether something is so; what is not known is unknown.
func word(is *bool, yes, no string) string {
	switch {
	case is == nil:
		return "unknown"
	case *is:
		return yes
	}
	return no
}
