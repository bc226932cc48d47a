// SPDX-License-Identifier: Apache-2.0

package level

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/policy"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// admission is the checks of Kubernetes' own admission, by the level that they are for. Those of
// Baseline that one of Restricted replaces forbid no more than that one.
type admission struct {
	baseline, restricted []policy.CheckPodFn
	// none are a pod's annotations, which the checks read for profiles of Kubernetes before 1.30.
	// The API server has copied those into fields.
	none *metav1.ObjectMeta
	// pod is written anew for each manifest: containers are large.
	pod corev1.PodSpec
}

// latestAdmission returns the checks of the latest version of the standards. It is cheaper to make
// than the library's evaluator, which lists the checks of each version since 1.0.
func latestAdmission() *admission {
	a := &admission{none: &metav1.ObjectMeta{}}
	for _, check := range policy.DefaultChecks() {
		switch version := latest(&check); check.Level {
		case "baseline":
			a.baseline = append(a.baseline, version.CheckPod)
		default:
			a.restricted = append(a.restricted, version.CheckPod)
		}
	}
	return a
}

// latest returns the latest version of a check.
func latest(check *policy.Check) *policy.VersionedCheck {
	return &check.Versions[len(check.Versions)-1]
}

// interval returns the levels that a pod's manifest can have, by what the kubelet has handed on.
func (a *admission) interval(members []*snapshot.Container) Interval {
	for _, container := range members {
		if !declarationKnown(container) {
			return Interval{Unknown, Unknown}
		}
	}
	interval := Interval{Lowest: a.level(members, lowest), Highest: Restricted}
	if interval.Lowest != Restricted {
		interval.Highest = a.level(members, highest)
	}
	return interval
}

func declarationKnown(container *snapshot.Container) bool {
	if container.Declared.By == inventory.ByUnknown {
		return false
	}
	return container.Sandbox || container.SecurityRequest() != nil && container.Security.Detail == ""
}

// level returns the level that admission would give a manifest with this declaration.
func (a *admission) level(members []*snapshot.Container, guess guess) Level {
	describe(&a.pod, members, guess)
	forbids := func(check policy.CheckPodFn) bool { return !check(a.none, &a.pod).Allowed }
	switch {
	case slices.ContainsFunc(a.baseline, forbids):
		return Privileged
	case slices.ContainsFunc(a.restricted, forbids):
		return Baseline
	}
	return Restricted
}
