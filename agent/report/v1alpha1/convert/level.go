// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"github.com/nsaudit/nsaudit/agent/level"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// levels converts the levels of the pods that the filter shows.
func levels(all []level.Pod, filter Filter, clean cleaner) []v1alpha1.PodLevel {
	shown := []v1alpha1.PodLevel{}
	for i := range all {
		if filter.shows(all[i].Containers[0].Container) {
			shown = append(shown, podLevel(&all[i], clean))
		}
	}
	return shown
}

func podLevel(pod *level.Pod, clean cleaner) v1alpha1.PodLevel {
	violations := []v1alpha1.LevelViolation{}
	for _, v := range pod.Violations {
		violations = append(violations, v1alpha1.LevelViolation{
			Level: v1alpha1.Level(v.Level), Control: v.Control, Container: clean(v.Container), Detail: clean(v.Detail),
		})
	}
	return v1alpha1.PodLevel{
		Pod:        v1alpha1.Pod{Namespace: clean(pod.Pod.Namespace), Name: clean(pod.Pod.Name), UID: clean(pod.Pod.UID)},
		Enforced:   v1alpha1.Level(pod.Enforced),
		Declared:   v1alpha1.LevelInterval{Lowest: v1alpha1.Level(pod.Declared.Lowest), Highest: v1alpha1.Level(pod.Declared.Highest)},
		Lowered:    pod.Lowered,
		Violations: violations,
		Unverified: append([]string{}, pod.Unverified...),
	}
}
