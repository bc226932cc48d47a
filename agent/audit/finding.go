// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// Finding is a check that fired for one container.
type Finding struct {
	// ID names the finding: it is the same for as long as the finding is the same for people,
	// whatever the process, and across restarts of the container and of the agent.
	ID       string
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
	// Ruling is what a rule of the policy says of it; nil where none does.
	Ruling *Ruling
}

// Ruling is what a rule of a policy says of a finding.
type Ruling struct {
	// Rule and Reason are the rule's name and why it is there.
	Rule, Reason string
	// Expected reports whether the finding is as it should be. If not, the rule has given it
	// its severity.
	Expected bool
}

// Reason returns the verdict's name among those of all checks, such as HostNetworkShared.
func (f *Finding) Reason() string { return f.Check.Reason(f.Verdict) }

// Kind returns what it is counted by.
func (f *Finding) Kind() Kind { return Kind{f.Check, f.Verdict, f.DeclaredBy, f.Severity} }

// Undeclared reports whether nobody declared it.
func (f *Finding) Undeclared() bool { return f.DeclaredBy == inventory.ByNobody }

// UnknownOrigin reports whether it could not be read who declared it.
func (f *Finding) UnknownOrigin() bool { return f.DeclaredBy == inventory.ByUnknown }

// Expected reports whether the policy expects it.
func (f *Finding) Expected() bool { return f.Ruling != nil && f.Ruling.Expected }

// Warns reports whether people should act on it: its Event is a Warning.
func (f *Finding) Warns() bool { return f.Severity.Warns() && !f.Expected() }

// Identify sets the finding's ID, on the node of this name. A finding that is given other
// evidence gets another ID.
func (f *Finding) Identify(node string) {
	container := f.Container
	// A container in a pod is its name, as it gets a new ID with each restart; any other has
	// nothing but its ID.
	who := []string{container.RuntimeNamespace, container.ID}
	if pod := container.Pod; pod != nil && pod.Name != "" && pod.Namespace != "" {
		who = []string{pod.Namespace, pod.Name, pod.UID, container.Name}
	}
	// %q keeps the parts apart whatever is in them. Events are named by the hash: to change the
	// text is to rename all of them.
	text := fmt.Appendf(nil, "%q %q %q", node, who, f.Reason())
	if key := f.Evidence.Key(); key != "" {
		text = append(append(text, ' '), key...) // An Event's note can't be changed: other evidence is another Event.
	}
	hash := sha256.Sum256(text)
	f.ID = hex.EncodeToString(hash[:8])
}

// Evidence is what a finding was concluded from. Each family of checks has a type of its own.
type Evidence interface {
	// Key is what of it makes the finding another one for people; empty if nothing does. The
	// finding's ID is made of it.
	Key() string
}

// ProcessEvidence is a process in the namespace of the evidence, or with a socket open.
type ProcessEvidence struct {
	PID int
	// Command is chosen by the process: escape it before it is shown.
	Command string
	// Executable is the path of what it executes, where that was read. It is chosen by the container.
	Executable string
	// Threads is the number of its threads that are in the namespace; 0 where the evidence is
	// about ports.
	Threads int
	// TIDs are the first of them, where other threads of the process are elsewhere.
	TIDs []int
	// Left: it is not in the container's cgroup.
	Left bool
}

// maxEvidence caps the processes, threads and containers that a finding names.
const maxEvidence = 8
