// SPDX-License-Identifier: Apache-2.0

//go:build integration

package security_test

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
	"github.com/nsaudit/nsaudit/nsinspect"
)

const (
	notInEffect = "CapabilitiesNotInEffect"
	added       = "CapabilitiesAdded"
	privileged  = "PrivilegedContainer"
)

// capabilityRows have other capabilities than runtimes give by default.
func capabilityRows() []row {
	add := func(uid int64, names ...corev1.Capability) *corev1.SecurityContext {
		return &corev1.SecurityContext{RunAsUser: &uid, Capabilities: &corev1.Capabilities{Add: names}}
	}
	all := func(name corev1.Capability) *corev1.SecurityContext {
		return &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{name}, Drop: []corev1.Capability{"SYS_ADMIN"}}}
	}
	const sysAdmin = nsinspect.Capabilities(1 << 21)
	almostAll := every(func(t thread) bool { return t.Bounding&sysAdmin == 0 && t.Bounding&(1<<12) != 0 })
	return append(privilegedRows(), []row{
		{
			name: "row 8: NET_BIND_SERVICE, root", security: add(0, "NET_BIND_SERVICE"), posture: plain(), level: v1alpha1.LevelBaseline,
		},
		{
			name: "row 8: NET_BIND_SERVICE, 405", image: usersImage, security: add(405, "NET_BIND_SERVICE"),
			shows:    every(func(t thread) bool { return t.Permitted == 0 && t.Bounding&(1<<10) != 0 }),
			findings: []string{notInEffect}, posture: guest(), level: v1alpha1.LevelBaseline,
			evidence: map[string]evidence{notInEffect: {declared: []string{"NET_BIND_SERVICE"}}},
		},
		{
			name: "row 8: CAP_NET_ADMIN", security: add(0, "CAP_NET_ADMIN"),
			findings: []string{notInEffect}, posture: plain(),
			level: v1alpha1.LevelBaseline, declared: only(v1alpha1.LevelPrivileged),
		},
		{
			name: "row 9: SYS_ADMIN", security: add(0, "SYS_ADMIN"), posture: plain(added), level: v1alpha1.LevelPrivileged,
			evidence: map[string]evidence{added: {actual: []string{"SYS_ADMIN (dangerous)"}}},
		},
		{
			name: "row 10: ALL but SYS_ADMIN", security: all("ALL"), shows: almostAll, posture: plain(added), level: v1alpha1.LevelPrivileged,
		},
		{
			name: "row 10: ALL in lower case", security: all("all"), shows: almostAll, posture: plain(added), level: v1alpha1.LevelPrivileged,
		},
		{
			// Containerd knows this spelling, and admission does not.
			name: "row 10: drop ALL in lower case", image: usersImage, level: v1alpha1.LevelRestricted, declared: only(v1alpha1.LevelBaseline),
			security: with(restricted(), func(s *corev1.SecurityContext) { s.Capabilities.Drop[0] = "all" }),
			shows:    every(func(t thread) bool { return t.Holds() == 0 }),
		},
		{
			name: "row 20: runc exec --cap SYS_ADMIN", image: usersImage,
			security: &corev1.SecurityContext{RunAsUser: new(int64(405)), SeccompProfile: runtimetest.Seccomp("RuntimeDefault", "")},
			happens: func(n *node, pod *runtimetest.Pod) {
				n.RuncExec(n.t, pod.Containers[0], "/bin/sleep", "--cap", "CAP_SYS_ADMIN")
			},
			shows:    some(func(t thread) bool { return t.Bounding&sysAdmin != 0 }),
			findings: []string{"UndeclaredCapabilities", "PodSecurityLevelLowered"}, posture: []string{escalation, imageGroup},
			level:    v1alpha1.LevelPrivileged,
			evidence: map[string]evidence{"UndeclaredCapabilities": {actual: []string{"SYS_ADMIN (dangerous)"}}},
		},
	}...)
}

func only(level v1alpha1.Level) v1alpha1.LevelInterval {
	return v1alpha1.LevelInterval{Lowest: level, Highest: level}
}

func privilegedRows() []row {
	return []row{
		{
			name: "row 11: privileged, root", security: runtimetest.Privileged(),
			findings: []string{privileged}, posture: plain(added, "ProcUnmasked", "HostDevices"), level: v1alpha1.LevelPrivileged,
		},
		{
			name: "row 11: privileged, 405", image: usersImage,
			security: with(runtimetest.Privileged(), func(s *corev1.SecurityContext) { s.RunAsUser = new(int64(405)) }),
			shows:    every(func(t thread) bool { return t.Effective == 0 }),
			findings: []string{privileged}, posture: guest(added, "ProcUnmasked", "HostDevices"), level: v1alpha1.LevelPrivileged,
		},
		{
			name: "row 12: privileged, with a profile",
			security: with(runtimetest.Privileged(), func(s *corev1.SecurityContext) {
				s.SeccompProfile = runtimetest.Seccomp("RuntimeDefault", "")
			}),
			shows:    every(func(t thread) bool { return t.Filters == 0 }),
			findings: []string{privileged, "SeccompNotInEffect"}, posture: []string{root, escalation, imageGroup, added, "ProcUnmasked", "HostDevices"},
			level: v1alpha1.LevelPrivileged,
		},
	}
}
