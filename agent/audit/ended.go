// SPDX-License-Identifier: Apache-2.0

package audit

import "github.com/nsaudit/nsaudit/agent/snapshot"

// judgeEnded adds the posture of containers that have ended and are a part of a pod, by what the
// runtime was told, as its level counts them too. Nothing else of them can be told: their processes
// are gone, and what they shared with the host. That is said of the pod's namespaces by those that
// run.
func (s *Selection) judgeEnded(result *Result) {
	snap := *result.Snapshot
	snap.Containers = nil
	for _, ended := range result.Snapshot.EndedInPods() {
		if as, ok := result.Snapshot.AsSpecified(ended); ok {
			snap.Containers = append(snap.Containers, *as)
		}
	}
	if len(snap.Containers) == 0 {
		return
	}
	for _, check := range checks() {
		if !s.wants(check) {
			continue
		}
		findings, _ := check.Judge(&node{&snap, nil})
		for i := range findings {
			if finding := &findings[i]; s.selected(finding.Reason()) && check.Posture(finding.Verdict) {
				result.takeEnded(finding)
			}
		}
	}
}

// takeEnded adds a finding about the posture of a container that has ended: one that is about the
// container, and not about its namespaces.
func (r *Result) takeEnded(finding *Finding) {
	if evidence, ok := finding.Evidence.(*SecurityEvidence); ok {
		evidence.Processes, evidence.MoreProcesses = nil, 0
		finding.Container = &snapshot.Container{Container: finding.Container.Container}
		r.take(finding, true)
	}
}
