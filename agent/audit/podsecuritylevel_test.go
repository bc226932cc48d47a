// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/level"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// TestPodSecurityLevel has levels of a pod of two containers, and which container has the finding.
func TestPodSecurityLevel(t *testing.T) {
	t.Parallel()
	side := boxed(told(405), of(405))
	side.ID, side.Name = "side-id", "side"
	s := secured(pause(byPod(), isolated(10)), boxed(told(405), of(405)), side)
	box, main := &s.Containers[0], &s.Containers[1]
	judged := func(pod, ofMain, ofSide level.Level, lowered bool) level.Pod {
		return level.Pod{
			Pod: main.Pod, Enforced: pod, Lowered: lowered, Declared: level.Interval{Lowest: level.Baseline, Highest: level.Restricted},
			Containers: []level.Container{{Container: main, Enforced: ofMain}, {Container: &s.Containers[2], Enforced: ofSide}},
			Violations: []level.Violation{
				{Level: level.Baseline, Control: "Capabilities", Container: "side", Detail: "SYS_ADMIN"},
				{Level: level.Baseline, Control: "Capabilities", Container: "main", Detail: "NET_ADMIN"},
				{Level: level.Baseline, Control: "Host Ports", Detail: "80"},
				{Level: level.Restricted, Control: "Seccomp", Container: "side", Detail: "no filter"},
			},
		}
	}
	tests := map[string]struct {
		pod  level.Pod
		want []string
	}{
		"as declared":         {judged(level.Privileged, level.Privileged, level.Baseline, false), nil},
		"the first":           {judged(level.Privileged, level.Privileged, level.Privileged, true), []string{"PodSecurityLevelLowered nobody: privileged, Capabilities: NET_ADMIN, Host Ports: 80 | baseline to restricted"}},
		"the second":          {judged(level.Privileged, level.Baseline, level.Privileged, true), []string{"side-id PodSecurityLevelLowered nobody: privileged, Capabilities: SYS_ADMIN, Host Ports: 80 | baseline to restricted"}},
		"the pause container": {judged(level.Privileged, level.Baseline, level.Baseline, true), []string{"box PodSecurityLevelLowered nobody: privileged, Host Ports: 80 | baseline to restricted"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings, unknown := podSecurityLevel().Judge(&node{s, []level.Pod{test.pod}})
			if diff := cmp.Diff(test.want, contextLines(findings)); diff != "" || len(unknown) > 0 {
				t.Errorf("%v (-want +got):\n%s", unknown, diff)
			}
		})
	}
	for name, test := range map[string]struct {
		change func(*snapshot.Snapshot)
		saw    bool
	}{
		"a pause container without a spec": {func(*snapshot.Snapshot) {}, false},
		"all of the pod was read":          {func(s *snapshot.Snapshot) { s.Containers = s.Containers[1:] }, true},
		"another one without a spec":       {func(s *snapshot.Snapshot) { s.Containers = s.Containers[1:]; s.Containers[1].Security = nil }, false},
	} {
		snap := secured(*box, *main, side)
		test.change(snap)
		if got := podSecurityLevel().Saw(snap, &snap.Containers[0]); got != test.saw {
			t.Errorf("%s: Saw = %t", name, got)
		}
	}
}
