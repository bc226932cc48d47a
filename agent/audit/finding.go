// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// Check is one question about a container, by the name that people script against.
type Check string

// Checks returns all checks.
func Checks() []Check {
	var checks []Check
	for _, check := range namespaceChecks() {
		checks = append(checks, check.name)
	}
	return append(checks, HostPort)
}

// Finding is a check that fired for one container.
type Finding struct {
	Check    Check
	Verdict  Verdict
	Severity Severity
	// DeclaredBy is who asked for it.
	DeclaredBy inventory.Declarer
	// Container has the finding.
	Container *snapshot.Container
	Evidence  Evidence
	// Controls are the controls of public catalogues that the check stands for.
	Controls []string
	// Deferred reports whether it is what a pause container's pod declares, which the pod's
	// containers repeat as soon as they run: it counts and is listed, and is not announced.
	Deferred bool
	// Anonymous reports whether there was no runtime to ask yet what any container declared
	// and what its name is.
	Anonymous bool
}

// Reason returns the verdict's name among those of all checks, such as HostNetworkShared.
func (f *Finding) Reason() string { return f.Verdict.reason(f.Check) }

// Undeclared reports whether nobody is known to have asked for it.
func (f *Finding) Undeclared() bool { return !f.DeclaredBy.Declared() }

// complete sets what follows from the verdict.
func (f *Finding) complete(snap *snapshot.Snapshot) {
	f.Severity = severityOf(f.Check, f.Verdict, f.DeclaredBy)
	f.Deferred = f.Container.Sandbox && f.DeclaredBy.Declared()
	f.Anonymous = f.DeclaredBy == inventory.ByUnknown && snap.Inventory.Source == inventory.FromCgroups
}
