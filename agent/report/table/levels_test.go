// SPDX-License-Identifier: Apache-2.0

package table

import (
	"bytes"
	"testing"

	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

func TestLevels(t *testing.T) {
	t.Parallel()
	interval := func(lowest, highest v1alpha1.Level) v1alpha1.LevelInterval {
		return v1alpha1.LevelInterval{Lowest: lowest, Highest: highest}
	}
	levels := []v1alpha1.PodLevel{
		{
			Pod: v1alpha1.Pod{Namespace: "default", Name: "intruded"}, Enforced: v1alpha1.LevelPrivileged, Lowered: true,
			Declared:   interval(v1alpha1.LevelBaseline, v1alpha1.LevelRestricted),
			Violations: []v1alpha1.LevelViolation{{Level: v1alpha1.LevelBaseline, Control: "Capabilities", Container: "main", Detail: "SYS_ADMIN (PID 77)"}},
			Unverified: []string{"Host Probes / Lifecycle Hooks"},
		},
		{
			Pod: v1alpha1.Pod{Namespace: "kube-system", Name: "kube-proxy"}, Enforced: v1alpha1.LevelPrivileged,
			Declared: interval(v1alpha1.LevelPrivileged, v1alpha1.LevelPrivileged),
			Violations: []v1alpha1.LevelViolation{
				{Level: v1alpha1.LevelBaseline, Control: "Host Ports", Detail: "10249/TCP"},
				{Level: v1alpha1.LevelBaseline, Control: "Privileged Containers", Container: "main", Detail: "all devices and capabilities"},
				{Level: v1alpha1.LevelRestricted, Control: "Running as Non-root", Container: "main", Detail: "uid 0 (PID 12)"},
			},
			Unverified: []string{"Host Probes / Lifecycle Hooks", "Seccomp"},
		},
		{Pod: v1alpha1.Pod{UID: "uid-1"}, Enforced: v1alpha1.LevelUnknown, Declared: interval(v1alpha1.LevelUnknown, v1alpha1.LevelUnknown)},
	}
	unknown := []v1alpha1.Unknown{{Cause: v1alpha1.CauseRuntime, Reason: "containerd does not answer"}}
	tests := map[string]struct {
		scan    v1alpha1.Scan
		options Options
	}{
		"levels.txt":      {v1alpha1.Scan{Levels: levels}, Options{Color: true}},
		"levels-wide.txt": {v1alpha1.Scan{Levels: levels[1:2]}, Options{Wide: true, NoHeaders: true}},
		"levels-none.txt": {v1alpha1.Scan{Coverage: v1alpha1.Coverage{Unknown: unknown}}, Options{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.options.Levels = true
			var b bytes.Buffer
			if err := Write(&b, &test.scan, test.options); err != nil {
				t.Fatal(err)
			}
			reporttest.Golden(t, "testdata/"+name, b.String())
		})
	}
}
