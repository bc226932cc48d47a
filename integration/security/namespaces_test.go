// SPDX-License-Identifier: Apache-2.0

//go:build integration

package security_test

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// namespaceRows have namespaces of users, or the host's network. Pods with a user namespace of their own are for containerds
// that know it.
func namespaceRows(n *node) []row {
	nested := func(t thread) bool { return t.nested }
	rows := []row{
		{
			name: "row 27: a user namespace below", image: usersImage, security: runtimetest.User(405),
			command: []string{"/bin/act", "nested", "/bin/sleep"},
			shows:   both(some(nested), processes(2)), posture: guest(),
		},
		{
			name: "row 27: a user namespace of init's", image: programsImage, security: runtimetest.User(33),
			command: []string{"unshare", "--user", "--map-root-user", "sleep", "infinity"},
			shows:   every(nested), posture: []string{escalation, unfiltered},
		},
		{
			name: "row 37: hostNetwork", pod: runtimetest.PodSpec{HostNetwork: true},
			findings: []string{"HostNetworkShared"}, posture: plain("HostUTSShared"), level: v1alpha1.LevelPrivileged,
		},
	}
	pod := runtimetest.PodSpec{UserNamespace: true}
	if n.old() {
		return append(rows, row{
			name: "row 29: a user namespace that is not there", pod: pod,
			findings: []string{"UndeclaredHostUsers"}, posture: plain(),
		})
	}
	mapped := []string{escalation, unfiltered, imageGroup}
	same := runtimetest.PodSpec{UserNamespace: true, FirstID: 1 << 30}
	shared := []string{"UserRangeShared"}
	return append(rows,
		row{name: "row 28: root of a user namespace", pod: pod, shows: every(nested), posture: mapped, level: v1alpha1.LevelBaseline},
		row{
			name: "row 28: SYS_ADMIN in a user namespace", pod: pod, security: runtimetest.Add("SYS_ADMIN"), shows: every(nested),
			posture: append([]string{added}, mapped...), level: v1alpha1.LevelPrivileged,
		},
		row{name: "row 30: the ids of another pod", pod: same, findings: shared, posture: mapped},
		row{name: "row 30: the same ids", pod: same, findings: shared, posture: mapped},
		row{
			name: "row 33: procMount Unmasked", pod: pod, security: &corev1.SecurityContext{ProcMount: new(corev1.UnmaskedProcMount)},
			posture: append([]string{"ProcUnmasked"}, mapped...), level: v1alpha1.LevelBaseline,
		},
	)
}
