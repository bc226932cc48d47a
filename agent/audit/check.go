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
	var names []Check
	for _, check := range checks() {
		names = append(names, check.Name())
	}
	return names
}

// check answers one question about the containers of a node.
type check interface {
	Name() Check
	// Verdicts returns the verdicts that it can give.
	Verdicts() []Verdict
	// Judge returns the findings, and what could not be judged.
	Judge(snap *snapshot.Snapshot) ([]Finding, []Unknown)
	// Saw reports whether nothing of a container was left unread that the check needs, so
	// that a missing finding means that there is nothing to find.
	Saw(snap *snapshot.Snapshot, container *snapshot.Container) bool
}

func checks() []check {
	return []check{hostNetwork(), hostPID(), hostIPC(), hostPort()}
}

// traits are what the findings of a check have in common.
type traits struct {
	name     Check
	verdicts []Verdict
	// controls are the controls of public catalogues that the check stands for.
	controls []string
}

// Name returns the check's name.
func (t *traits) Name() Check { return t.name }

// Verdicts returns the verdicts that the check can give.
func (t *traits) Verdicts() []Verdict { return t.verdicts }

// finding returns a verdict with what follows from it.
func (t *traits) finding(container *snapshot.Container, verdict Verdict, by inventory.Declarer, evidence Evidence) Finding {
	return Finding{
		Check: t.name, Verdict: verdict, Severity: severityOf(t.name, verdict, by), DeclaredBy: by,
		Container: container, Evidence: evidence, Controls: t.controls,
		Deferred: container.Sandbox && by.Declared(),
	}
}

// undeclaredBy returns nobody, or unknown where the declaration could not be read.
func undeclaredBy(container *snapshot.Container) inventory.Declarer {
	if container.Declared.By == inventory.ByUnknown {
		return inventory.ByUnknown
	}
	return inventory.ByNobody
}
