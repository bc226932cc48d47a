// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// NamespaceEvidence is the evidence of a namespaceCheck.
type NamespaceEvidence struct {
	// Kind is the kind of namespace and Namespace the one that the processes are in: the
	// host's, or the container's own if the declared sharing is not in effect.
	Kind      nsinspect.Kind
	Namespace nsinspect.ID
	// Processes are the first of the processes, and MoreProcesses counts the rest.
	Processes     []ProcessEvidence
	MoreProcesses int
	// JoinedPath is the path by which the runtime spec let the container join.
	JoinedPath string
	// Held are the first of the ways by which the container has a hold of the namespace without being
	// in it, and MoreHeld counts the rest.
	Held     []snapshot.Held
	MoreHeld int
	// Past is when processes were seen that have left the namespace again; nil where any is in it.
	Past *PastEvidence
}

// PastEvidence is when something was seen that is over.
type PastEvidence struct {
	First, Last time.Time
	// Count is how often it was seen.
	Count uint64
}

// Key is empty: other processes do not make it another finding.
func (e *NamespaceEvidence) Key() string { return "" }

// evidence collects the processes of which any thread is in the host's namespace.
func (n *namespaceCheck) evidence(container *snapshot.Container, host nsinspect.ID) *NamespaceEvidence {
	evidence := &NamespaceEvidence{Kind: n.kind, Namespace: host, JoinedPath: container.Declared.Joined[n.kind]}
	for i := range container.Processes {
		if found, ok := n.threadsIn(&container.Processes[i], host); ok {
			evidence.add(found)
		}
	}
	return evidence
}

// past returns the evidence of what was seen of a container and is over; nil if there is none.
func (n *namespaceCheck) past(container *snapshot.Container, host nsinspect.ID) *NamespaceEvidence {
	sighting := container.SightingOf(n.kind)
	if sighting == nil {
		return nil
	}
	evidence := &NamespaceEvidence{
		Kind: n.kind, Namespace: host, MoreProcesses: sighting.More,
		Past: &PastEvidence{First: sighting.First, Last: sighting.Last, Count: sighting.Count},
	}
	for _, visitor := range sighting.Visitors {
		evidence.add(ProcessEvidence{PID: visitor.PID, Command: visitor.Command, Executable: visitor.Executable})
	}
	return evidence
}

// held returns the ways by which a container has a hold of the host's namespace.
func (n *namespaceCheck) held(container *snapshot.Container) []snapshot.Held {
	if !slices.Contains(n.verdicts, Held) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(container.Held), func(held snapshot.Held) bool { return held.Kind != n.kind })
}

func (n *namespaceCheck) heldEvidence(container *snapshot.Container, host nsinspect.ID) *NamespaceEvidence {
	held := n.held(container)
	named := held[:min(len(held), maxEvidence)]
	return &NamespaceEvidence{Kind: n.kind, Namespace: host, Held: named, MoreHeld: len(held) - len(named)}
}

// elsewhere is the evidence that a declared sharing is not in effect: where the first
// process is instead.
func (n *namespaceCheck) elsewhere(container *snapshot.Container) *NamespaceEvidence {
	for _, process := range container.Processes {
		for _, group := range process.Groups {
			if id, ok := group.Namespaces.Get(n.kind); ok {
				return n.evidence(container, id)
			}
		}
	}
	return &NamespaceEvidence{Kind: n.kind}
}

// threadsIn counts the threads of a process that are in the namespace.
func (n *namespaceCheck) threadsIn(process *snapshot.Process, id nsinspect.ID) (ProcessEvidence, bool) {
	found := ProcessEvidence{PID: process.PID, Command: process.Command, Left: process.Left}
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

func (e *NamespaceEvidence) add(process ProcessEvidence) {
	if len(e.Processes) == maxEvidence {
		e.MoreProcesses++
		return
	}
	e.Processes = append(e.Processes, process)
}

// onlyInit reports whether the evidence is the pause process alone. Any other process in a
// pause container is an intruder.
func (e *NamespaceEvidence) onlyInit(sandbox *snapshot.Container) bool {
	return len(e.Processes) == 1 && e.MoreProcesses == 0 && e.Processes[0].PID == sandbox.PID
}
