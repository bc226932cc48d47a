// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/level"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// PodSecurityLevel asks whether the kernel holds a pod to a lower level of the Pod Security
// Standards than its declaration would be given. What has lowered it is a finding of its own, of
// the container that the finding is about: the weakest one.
const PodSecurityLevel Check = "PodSecurityLevel"

// levelCheck is the check PodSecurityLevel.
type levelCheck struct{ contextCheck }

func podSecurityLevel() *levelCheck {
	return &levelCheck{contextCheck{
		traits: traits{
			name:     PodSecurityLevel,
			verdicts: []Verdict{Undeclared},
			controls: []string{"PSS"},
		},
		reads: fromCredentials,
	}}
}

// Judge implements check.
func (l *levelCheck) Judge(node *node) ([]Finding, []Unknown) {
	var findings []Finding
	for i := range node.levels {
		pod := &node.levels[i]
		if !pod.Lowered {
			continue
		}
		if container := weakestOf(node.Snapshot, pod); container != nil {
			evidence := new(SecurityEvidence)
			evidence.actual(append([]string{string(pod.Enforced)}, violations(pod, container.Name)...)...)
			evidence.declared(intervalText(pod.Declared))
			findings = append(findings, l.finding(container, Undeclared, inventory.ByNobody, evidence))
		}
	}
	return findings, nil
}

// Saw implements check. The level is that of the whole pod: with a container that was not read it
// is not known.
func (l *levelCheck) Saw(snap *snapshot.Snapshot, container *snapshot.Container) bool {
	for i := range snap.Containers {
		if other := &snap.Containers[i]; isOfPod(other, container.Pod) && !l.sawOne(snap, other) {
			return false
		}
	}
	return l.sawOne(snap, container)
}

// sawOne reports whether all was seen that the level of a container rests on.
func (l *levelCheck) sawOne(snap *snapshot.Snapshot, container *snapshot.Container) bool {
	_, unread := unjudged(snap.HostSecurity, container)
	return l.contextCheck.Saw(snap, container) && !unread
}

// weakestOf returns the first container that has the pod's level, or else the pause container, if
// it is that; nil if none is.
func weakestOf(snap *snapshot.Snapshot, pod *level.Pod) *snapshot.Container {
	for i := range pod.Containers {
		if c := &pod.Containers[i]; c.Enforced == pod.Enforced {
			return c.Container
		}
	}
	for i := range snap.Containers {
		if container := &snap.Containers[i]; container.Sandbox && isOfPod(container, pod.Pod) {
			return container
		}
	}
	return nil
}

func isOfPod(container *snapshot.Container, pod *inventory.Pod) bool {
	of := container.Pod
	return of != nil && pod != nil && of.UID == pod.UID && of.Namespace == pod.Namespace && of.Name == pod.Name
}

// violations names what keeps the pod from the lowest level that its declaration allows, of the
// pod as a whole and of this container.
func violations(pod *level.Pod, container string) []string {
	var texts []string
	for _, v := range pod.Violations {
		lowering := v.Level == level.Baseline || v.Level == pod.Declared.Lowest
		if lowering && (v.Container == "" || v.Container == container) {
			texts = append(texts, v.Control+": "+v.Detail)
		}
	}
	return distinct(texts)
}

// intervalText names the levels that a declaration may be given.
func intervalText(declared level.Interval) string {
	if declared.Lowest == declared.Highest {
		return string(declared.Lowest)
	}
	return fmt.Sprintf("%s to %s", declared.Lowest, declared.Highest)
}
