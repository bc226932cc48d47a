// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// Finding is a check that fired for one container.
type Finding struct {
	Check    Check
	Verdict  Verdict
	Severity Severity
	// DeclaredBy is who declared it.
	DeclaredBy inventory.Declarer
	// Container has the finding.
	Container *snapshot.Container
	// Evidence is of the type that belongs to the check's family.
	Evidence Evidence
	// Controls are the controls of public catalogues that the check stands for.
	Controls []string
	// Deferred reports whether it is what a pause container's pod declares, which the pod's
	// containers repeat as soon as they run: it is counted and listed, but not announced.
	Deferred bool
	// Anonymous reports whether the container's name and declaration are unknown because no
	// runtime has answered yet.
	Anonymous bool
}

// Reason returns the verdict's name among those of all checks, such as HostNetworkShared.
func (f *Finding) Reason() string { return f.Verdict.reason(f.Check) }

// Undeclared reports whether nobody is known to have declared it.
func (f *Finding) Undeclared() bool { return !f.DeclaredBy.Declared() }

// Evidence is what a finding was concluded from. Each family of checks has a type of its own.
type Evidence interface {
	// Key is what of it makes the finding another one for people; empty if nothing does. The
	// names of Events are made of it.
	Key() string
}

// ProcessEvidence is a process in the namespace of the evidence, or with a socket open.
type ProcessEvidence struct {
	PID int
	// Command is chosen by the process: escape it before it is shown.
	Command string
	// Threads is the number of its threads that are in the namespace; 0 where the evidence is
	// about ports.
	Threads int
	// TIDs are the first of them, where other threads of the process are elsewhere.
	TIDs []int
}

// maxEvidence caps the processes, threads and containers that a finding names.
const maxEvidence = 8
