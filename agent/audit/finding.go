package audit

import (
	"cmp"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
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
	Check Check
	// DeclaredBy is who asked for the sharing.
	DeclaredBy inventory.Declarer
	// Reason is the name of the verdict, such as HostNetworkShared.
	Reason string
	// Container is the container's index in the snapshot.
	Container int
	Evidence  Evidence
	// Controls are the controls of public catalogues that the check stands for.
	Controls []string
}

// Evidence is what a finding was concluded from.
type Evidence struct {
	// Kind is the kind of namespace and Namespace the one that the processes are in: the
	// host's, or the container's own if the declared sharing is not in effect.
	Kind      nsinspect.Kind `json:"kind"`
	Namespace nsinspect.ID   `json:"namespace"`
	// Processes are the first of the processes, and MoreProcesses counts the rest.
	Processes     []ProcessEvidence `json:"processes,omitempty"`
	MoreProcesses int               `json:"moreProcesses,omitempty"`
	// JoinedPath is the path by which the runtime spec let the container join.
	JoinedPath string `json:"joinedPath,omitempty"`
	// Ports are those that a finding about ports is about, and MorePorts counts the rest.
	Ports     []PortEvidence `json:"ports,omitempty"`
	MorePorts int            `json:"morePorts,omitempty"`
}

// ProcessEvidence is a process in the namespace of the evidence.
type ProcessEvidence struct {
	PID     int    `json:"pid"`
	Command string `json:"command,omitempty"`
	// Threads is the number of its threads that are in the namespace; 0 where the evidence is
	// about ports.
	Threads int `json:"threads,omitempty"`
	// TIDs are the first of them, where other threads of the process are elsewhere.
	TIDs []int `json:"tids,omitempty"`
}

// Unknown is something that could not be judged.
type Unknown struct {
	// Container is the container's index in the snapshot, or -1 for the whole node.
	Container int
	snapshot.Gap
}

// maxEvidence caps the processes that a finding names.
const maxEvidence = 8

// Judge returns the findings of a snapshot, and what could not be judged. Both are in a
// stable order: by pod, container and check.
func Judge(snap *snapshot.Snapshot) ([]Finding, []Unknown) {
	unknown := gaps(snap)
	var findings []Finding
	for _, check := range namespaceChecks() {
		host, ok := snap.Host.Namespaces.Get(check.kind)
		if !ok {
			reason := "the host's " + check.kind.String() + " namespace could not be read, so no container can be compared with it"
			unknown = append(unknown, Unknown{-1, snapshot.Gap{Cause: snapshot.CauseHost, Detail: reason}})
			continue
		}
		findings = append(findings, check.judge(snap, host)...)
	}
	ports, unverified := judgePorts(snap)
	findings = append(findings, ports...)
	unknown = append(unknown, unverified...)
	sortFindings(snap, findings)
	return findings, unknown
}

// gaps collects what the scan itself could not see.
func gaps(snap *snapshot.Snapshot) []Unknown {
	var unknown []Unknown
	for _, gap := range snap.Coverage.Gaps {
		unknown = append(unknown, Unknown{-1, gap})
	}
	for _, problem := range snap.Inventory.Problems {
		unknown = append(unknown, Unknown{-1, snapshot.Gap{Cause: snapshot.CauseRuntime, Detail: problem}})
	}
	for _, i := range sortedContainers(snap) {
		for _, gap := range snap.Containers[i].Unread.Gaps {
			unknown = append(unknown, Unknown{i, gap})
		}
	}
	return unknown
}

func sortedContainers(snap *snapshot.Snapshot) []int {
	order := make([]int, len(snap.Containers))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return compareContainers(&snap.Containers[a], &snap.Containers[b])
	})
	return order
}

func sortFindings(snap *snapshot.Snapshot, findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return compareContainers(&snap.Containers[a.Container], &snap.Containers[b.Container])
	})
}

// compareContainers orders pods by namespace and name, and containers without a pod last.
func compareContainers(a, b *snapshot.Container) int {
	if (a.Pod == nil) != (b.Pod == nil) {
		if a.Pod != nil {
			return -1
		}
		return 1
	}
	if a.Pod != nil {
		order := cmp.Or(
			strings.Compare(a.Pod.Namespace, b.Pod.Namespace),
			strings.Compare(a.Pod.Name, b.Pod.Name),
			strings.Compare(a.Pod.UID, b.Pod.UID),
		)
		if order != 0 {
			return order
		}
	}
	return cmp.Or(
		strings.Compare(a.RuntimeNamespace, b.RuntimeNamespace),
		strings.Compare(a.Name, b.Name),
		strings.Compare(a.ID, b.ID),
	)
}
