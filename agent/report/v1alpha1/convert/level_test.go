// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/level"
	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// podLevels are the levels of the first two pods of a snapshot.
func podLevels(snap *snapshot.Snapshot) []level.Pod {
	return []level.Pod{
		{
			Pod: snap.Containers[0].Pod, Enforced: level.Privileged, Lowered: true,
			Declared:   level.Interval{Lowest: level.Baseline, Highest: level.Restricted},
			Containers: []level.Container{{Container: &snap.Containers[0], Enforced: level.Privileged}},
			Violations: []level.Violation{
				{Level: level.Baseline, Control: "Host Ports", Detail: "8080/TCP"},
				{Level: level.Restricted, Control: "Capabilities", Container: "a\x1b[31m", Detail: "x\ny"},
			},
			Unverified: []string{"Seccomp"},
		},
		{
			Pod: snap.Containers[1].Pod, Enforced: level.Restricted,
			Declared:   level.Interval{Lowest: level.Unknown, Highest: level.Unknown},
			Containers: []level.Container{{Container: &snap.Containers[1], Enforced: level.Restricted}},
		},
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	snap := reporttest.Snapshot()
	result := audit.Judge(snap)
	result.Levels = podLevels(snap)
	want := []v1alpha1.PodLevel{
		{
			Pod:      v1alpha1.Pod{Namespace: "default", Name: "pod-with-host-network", UID: "uid-a"},
			Enforced: v1alpha1.LevelPrivileged, Lowered: true,
			Declared: v1alpha1.LevelInterval{Lowest: v1alpha1.LevelBaseline, Highest: v1alpha1.LevelRestricted},
			Violations: []v1alpha1.LevelViolation{
				{Level: v1alpha1.LevelBaseline, Control: "Host Ports", Detail: "8080/TCP"},
				{Level: v1alpha1.LevelRestricted, Control: "Capabilities", Container: `a\x1b[31m`, Detail: `x\ny`},
			},
			Unverified: []string{"Seccomp"},
		},
		{
			Pod:        v1alpha1.Pod{Namespace: "default", Name: "pod-with-host-pid-and-ipc", UID: "uid-b"},
			Enforced:   v1alpha1.LevelRestricted,
			Declared:   v1alpha1.LevelInterval{Lowest: v1alpha1.LevelUnknown, Highest: v1alpha1.LevelUnknown},
			Violations: []v1alpha1.LevelViolation{}, Unverified: []string{},
		},
	}
	for _, test := range []struct {
		filter Filter
		want   []v1alpha1.PodLevel
	}{
		{Filter{}, want},
		{Filter{Namespace: "default", Pod: "pod-with-host-pid-and-ipc"}, want[1:]},
		{Filter{Namespace: "other"}, []v1alpha1.PodLevel{}},
	} {
		if diff := cmp.Diff(test.want, FromResult(result, test.filter).Levels); diff != "" {
			t.Errorf("%+v: -want +got:\n%s", test.filter, diff)
		}
	}
}
