// SPDX-License-Identifier: Apache-2.0

package convert

import "github.com/nsaudit/nsaudit/agent/snapshot"

// Filter chooses the containers that a document shows. The zero value shows all.
type Filter struct {
	// Namespace and Pod are names of the pod; empty for any.
	Namespace string
	Pod       string
}

func (f Filter) shows(container *snapshot.Container) bool {
	if f == (Filter{}) {
		return true
	}
	return container.Pod != nil &&
		(f.Namespace == "" || f.Namespace == container.Pod.Namespace) &&
		(f.Pod == "" || f.Pod == container.Pod.Name)
}

// missed counts the containers that are not shown and might belong to a pod that is: they are
// known by their cgroup only.
func (f Filter) missed(snap *snapshot.Snapshot) int {
	missed := 0
	for i := range snap.Containers {
		container := &snap.Containers[i]
		unnamed := container.Pod == nil && container.RuntimeName == "" || container.Pod != nil && container.Pod.Name == ""
		if unnamed && !f.shows(container) {
			missed++
		}
	}
	return missed
}
