// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/level"
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
		weakest := weakestOf(pod)
		if !pod.Lowered || weakest == nil {
			continue
		}
		evidence := new(SecurityEvidence)
		evidence.actual(append([]string{string(pod.Enforced)}, violations(pod, weakest.Container.Name)...)...)
		evidence.declared(intervalText(pod.Declared))
		findings = append(findings, l.finding(weakest.Container, Undeclared, inventory.ByNobody, evidence))
	}
	return findings, nil
}

// weakestOf returns the first container that has the pod's level; nil if none has.
func weakestOf(pod *level.Pod) *level.Container {
	for i := range pod.Containers {
		if c := &pod.Containers[i]; c.Container != nil && c.Enforced == pod.Enforced {
			return c
		}
	}
	return nil
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
