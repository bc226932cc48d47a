// SPDX-License-Identifier: Apache-2.0

//go:build integration

package security_test

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// filterRows have filters of system calls.
func filterRows(t *testing.T) []row {
	t.Helper()
	profile := filepath.Join(t.TempDir(), "profile.json")
	if err := os.WriteFile(profile, []byte(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["acct"],"action":"SCMP_ACT_ERRNO"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	of := func(kind corev1.SeccompProfileType) *corev1.SecurityContext {
		return &corev1.SecurityContext{SeccompProfile: runtimetest.Seccomp(kind, profile)}
	}
	filters := func(n int) func([]thread) bool { return every(func(t thread) bool { return t.Filters == n }) }
	filtered := []string{root, escalation, imageGroup}
	return []row{
		{name: "row 13: RuntimeDefault", security: of("RuntimeDefault"), shows: filters(1), posture: filtered, level: v1alpha1.LevelBaseline},
		{name: "row 13: Localhost", security: of("Localhost"), shows: filters(1), posture: filtered, level: v1alpha1.LevelBaseline},
		{name: "row 13: Unconfined", security: of("Unconfined"), shows: filters(0), posture: plain()},
		{
			name: "row 14: a program's own filters", security: of("RuntimeDefault"),
			command: []string{"/bin/act", "nnp", "filters:2", "exec", "/bin/sleep"},
			shows:   filters(3), posture: []string{root, imageGroup},
		},
		{
			name: "row 21: a process of the host in the cgroup", image: usersImage, security: restricted(),
			happens: func(n *node, pod *runtimetest.Pod) { n.MoveIntoCgroup(n.t, n.hostProcess(), pod.Containers[0].PID) },
			shows:   processes(2),
			findings: []string{
				"PodSecurityLevelLowered", "UndeclaredHostIPC", "UndeclaredHostMount", "UndeclaredHostNetwork", "UndeclaredHostPID",
				"UndeclaredHostUTS", "UndeclaredPrivilegeEscalation", "UndeclaredPrivileged", "UndeclaredRootUser",
				"UndeclaredSeccompUnconfined",
			},
			level: v1alpha1.LevelPrivileged,
		},
	}
}
