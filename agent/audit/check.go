// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/level"
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
	// Verdicts returns the verdicts that it can give, and Declarers who can be the declarer of one.
	Verdicts() []Verdict
	Declarers(verdict Verdict) []inventory.Declarer
	// Posture reports whether a verdict is about what was declared and is common: it is counted,
	// and not announced.
	Posture(verdict Verdict) bool
	// Optional reports whether a verdict is left out unless it is asked for.
	Optional(verdict Verdict) bool
	// Controls returns the controls of public catalogues that a verdict stands for.
	Controls(verdict Verdict) []string
	// Judge returns the findings, and what could not be judged.
	Judge(node *node) ([]Finding, []Unknown)
	// Saw reports whether nothing of a container was left unread that the check needs, so
	// that a missing finding means that there is nothing to find.
	Saw(snap *snapshot.Snapshot, container *snapshot.Container) bool
}

// node is what there is to judge: what was seen of a node, and the levels that follow from it.
type node struct {
	*snapshot.Snapshot

	levels []level.Pod
}

func checks() []check {
	return []check{
		hostNetwork(), hostPID(), hostIPC(), hostPort(),
		rootUser(), user(), groups(), privileged(), capabilities(), privilegeEscalation(),
		seccomp(), appArmor(), seLinux(), hostUsers(), hostUTS(), hostCgroup(), hostMount(), hostRoot(),
		writableRoot(), procUnmasked(), hostPath(), devices(), sysctls(), propagation(), userRanges(),
		podSecurityLevel(),
	}
}

// traits are what the findings of a check have in common.
type traits struct {
	name     Check
	verdicts []Verdict
	// posture and optional are verdicts of that kind.
	posture, optional []Verdict
	// controls are the controls of public catalogues that the check stands for, and drift those
	// that it stands for beside them where a process has what was not declared, or has gained it.
	controls, drift []string
}

// Name returns the check's name.
func (t *traits) Name() Check { return t.name }

// Verdicts returns the verdicts that the check can give.
func (t *traits) Verdicts() []Verdict { return t.verdicts }

// Declarers implements check.
func (t *traits) Declarers(verdict Verdict) []inventory.Declarer {
	switch verdict {
	case Shared, Bound, Unlisted, NotInEffect, Allowed:
		return []inventory.Declarer{inventory.ByPod, inventory.BySpec, inventory.ByUnknown}
	case Undeclared, Held, Hijacks:
		return []inventory.Declarer{inventory.ByNobody, inventory.ByUnknown}
	case Gained, Overlaps:
		return []inventory.Declarer{inventory.ByNobody}
	case Shadows:
	}
	return inventory.Declarers()
}

// Posture implements check.
func (t *traits) Posture(verdict Verdict) bool { return slices.Contains(t.posture, verdict) }

// Optional implements check.
func (t *traits) Optional(verdict Verdict) bool { return slices.Contains(t.optional, verdict) }

// Controls implements check.
func (t *traits) Controls(verdict Verdict) []string {
	if (verdict == Undeclared || verdict == Gained) && len(t.drift) > 0 {
		return slices.Concat(t.controls, t.drift)
	}
	return t.controls
}

// finding returns a verdict with what follows from it.
func (t *traits) finding(container *snapshot.Container, verdict Verdict, by inventory.Declarer, evidence Evidence) Finding {
	return Finding{
		Check: t.name, Verdict: verdict, Severity: severityOf(t.name, verdict, by), DeclaredBy: by,
		Container: container, Evidence: evidence, Controls: t.Controls(verdict),
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
