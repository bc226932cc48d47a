package audit

import (
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// namespaceCheck asks whether a container is in the host's namespace of one kind.
type namespaceCheck struct {
	name     Check
	kind     nsinspect.Kind
	controls []string
}

func namespaceChecks() []namespaceCheck {
	return []namespaceCheck{hostNetwork(), hostPID(), hostIPC()}
}

// judge returns the check's findings.
func (n *namespaceCheck) judge(snap *snapshot.Snapshot, host nsinspect.ID) []Finding {
	var findings []Finding
	for i := range snap.Containers {
		container := &snap.Containers[i]
		declared := slices.Contains(container.Declared.Host, n.kind)
		evidence := n.evidence(container, host)
		switch {
		case len(evidence.Processes) > 0 && declared:
			findings = append(findings, n.finding(container, container.Declared.By, Shared, evidence))
		case len(evidence.Processes) > 0:
			findings = append(findings, n.finding(container, undeclaredBy(container), Undeclared, evidence))
		case declared && fullySeen(container):
			findings = append(findings, n.finding(container, container.Declared.By, NotInEffect, n.elsewhere(container)))
		}
	}
	return withoutRepeats(findings)
}

// withoutRepeats leaves out the findings of pause containers that containers of the same
// pod have too: the pod's sharing is reported once.
func withoutRepeats(findings []Finding) []Finding {
	reported := make(map[inventory.Key]bool)
	for i := range findings {
		if container := findings[i].Container; !container.Sandbox {
			reported[container.SandboxKey()] = true
		}
	}
	var kept []Finding
	for i := range findings {
		finding := &findings[i]
		repeats := finding.Container.Sandbox && reported[finding.Container.Key()] &&
			(finding.Verdict != Undeclared || onlyInit(finding.Container, finding.Evidence))
		if !repeats {
			kept = append(kept, *finding)
		}
	}
	return kept
}

// onlyInit says whether the evidence is the pause process alone. Any other process in a
// pause container is an intruder.
func onlyInit(box *snapshot.Container, evidence Evidence) bool {
	return len(evidence.Processes) == 1 && evidence.MoreProcesses == 0 && evidence.Processes[0].PID == box.PID
}

func (n *namespaceCheck) finding(container *snapshot.Container, by inventory.Declarer, verdict Verdict, evidence Evidence) Finding {
	return Finding{
		Check: n.name, Verdict: verdict, DeclaredBy: by,
		Container: container, Evidence: evidence, Controls: n.controls,
	}
}

// undeclaredBy tells sharing that nobody asked for from sharing of which that is not known.
func undeclaredBy(container *snapshot.Container) inventory.Declarer {
	if container.Declared.By == inventory.ByUnknown {
		return inventory.ByUnknown
	}
	return inventory.ByNobody
}

// fullySeen says whether the absence of a namespace means anything: there are processes,
// and nothing of the container was left unread.
func fullySeen(container *snapshot.Container) bool {
	return len(container.Processes) > 0 && len(container.Unread.Gaps) == 0
}

// evidence collects the processes of which any thread is in the host's namespace.
func (n *namespaceCheck) evidence(container *snapshot.Container, host nsinspect.ID) Evidence {
	evidence := Evidence{Kind: n.kind, Namespace: host, JoinedPath: container.Declared.Joined[n.kind]}
	for i := range container.Processes {
		process := &container.Processes[i]
		found, ok := n.threadsIn(process, host)
		if !ok {
			continue
		}
		evidence.add(found)
	}
	return evidence
}

// elsewhere is the evidence that a declared sharing is not in effect: where the first
// process is instead.
func (n *namespaceCheck) elsewhere(container *snapshot.Container) Evidence {
	for _, process := range container.Processes {
		for _, group := range process.Groups {
			if id, ok := group.Namespaces.Get(n.kind); ok {
				return n.evidence(container, id)
			}
		}
	}
	return Evidence{Kind: n.kind}
}

// threadsIn counts the threads of a process that are in the namespace.
func (n *namespaceCheck) threadsIn(process *snapshot.Process, id nsinspect.ID) (ProcessEvidence, bool) {
	found := ProcessEvidence{PID: process.PID, Command: process.Command}
	all := true
	for i := range process.Groups {
		group := &process.Groups[i]
		if in, ok := group.Namespaces.Get(n.kind); !ok || in != id {
			all = false
			continue
		}
		found.Threads += group.Threads
		found.TIDs = append(found.TIDs, group.TIDs...)
	}
	if all {
		found.TIDs = nil
	}
	found.TIDs = found.TIDs[:min(len(found.TIDs), maxEvidence)]
	return found, found.Threads > 0
}

func (e *Evidence) add(process ProcessEvidence) {
	if len(e.Processes) == maxEvidence {
		e.MoreProcesses++
		return
	}
	e.Processes = append(e.Processes, process)
}
