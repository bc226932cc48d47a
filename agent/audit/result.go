// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// Result is a snapshot with its verdicts. It is shared by all who report it: nothing in it
// may be changed.
type Result struct {
	// Snapshot is what was judged.
	Snapshot *snapshot.Snapshot
	// Findings and Unknown are in a stable order: by pod, container and check.
	Findings []Finding
	Unknown  []Unknown
}

// Unknown is something that could not be judged.
type Unknown struct {
	// Container is what it is about; nil for the whole node.
	Container *snapshot.Container
	snapshot.Gap
}

// Judge judges a snapshot, which may not be changed any more.
func Judge(snap *snapshot.Snapshot) *Result {
	result := &Result{Snapshot: snap, Unknown: gaps(snap)}
	for _, check := range namespaceChecks() {
		host, ok := snap.Host.Namespaces.Get(check.kind)
		if !ok {
			detail := "the host's " + check.kind.String() + " namespace could not be read, so no container can be compared with it"
			result.Unknown = append(result.Unknown, Unknown{nil, snapshot.Gap{Cause: snapshot.CauseHost, Detail: detail}})
			continue
		}
		result.Findings = append(result.Findings, check.judge(snap, host)...)
	}
	ports, unverified := judgePorts(snap)
	result.Findings = append(result.Findings, ports...)
	result.Unknown = append(result.Unknown, unverified...)
	for i := range result.Findings {
		result.Findings[i].complete(snap)
	}
	slices.SortStableFunc(result.Findings, func(a, b Finding) int {
		return compareContainers(a.Container, b.Container)
	})
	return result
}

// gaps collects what the scan itself could not see.
func gaps(snap *snapshot.Snapshot) []Unknown {
	var unknown []Unknown
	for _, gap := range snap.Coverage.Gaps {
		unknown = append(unknown, Unknown{nil, gap})
	}
	for _, problem := range snap.Inventory.Problems {
		unknown = append(unknown, Unknown{nil, snapshot.Gap{Cause: snapshot.CauseRuntime, Detail: problem}})
	}
	for _, container := range sortedContainers(snap) {
		for _, gap := range container.Unread.Gaps {
			unknown = append(unknown, Unknown{container, gap})
		}
	}
	return unknown
}

func sortedContainers(snap *snapshot.Snapshot) []*snapshot.Container {
	containers := make([]*snapshot.Container, len(snap.Containers))
	for i := range snap.Containers {
		containers[i] = &snap.Containers[i]
	}
	slices.SortStableFunc(containers, compareContainers)
	return containers
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
