// SPDX-License-Identifier: Apache-2.0

//go:build integration

package security_test

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// fileRows are about root directories and mounts. AppArmor's profile would not let them mount.
func fileRows() []row {
	mounter := func() *corev1.SecurityContext {
		s := runtimetest.Add("SYS_ADMIN")
		s.AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
		return s
	}
	return []row{
		{
			name: "row 31: a read-only root", security: &corev1.SecurityContext{ReadOnlyRootFilesystem: new(true)},
			posture: plain(),
		},
		{
			name:     "row 31: remounted by SYS_ADMIN",
			security: with(mounter(), func(s *corev1.SecurityContext) { s.ReadOnlyRootFilesystem = new(true) }),
			command:  []string{"/bin/act", "writable:/"},
			findings: []string{"UndeclaredWritableRoot"}, posture: plain(added),
			evidence: map[string]evidence{"UndeclaredWritableRoot": {actual: []string{"/ (writable)"}, declared: []string{"/ (read-only)"}}},
		},
		{
			name: "row 32: unmasked by SYS_ADMIN", security: mounter(), command: []string{"/bin/act", "unmount:/proc/keys"},
			findings: []string{"UndeclaredProcUnmasked"}, posture: plain(added),
			evidence: map[string]evidence{"UndeclaredProcUnmasked": {actual: []string{"/proc/keys"}}},
		},
		{
			name: "row 34: chroot in a default pod", command: []string{"/bin/act", "start", "/bin/act", "chroot:/tmp/empty"},
			shows: rooted("/tmp/empty"), posture: plain(),
		},
		{
			name: "row 34: chroot of init", command: []string{"/bin/act", "chroot:/tmp/empty"},
			shows: rooted("/tmp/empty"), posture: plain(), unknown: "another root directory",
		},
		{
			name: "row 35: chroot to the host's root", command: []string{"/bin/act", "chroot:/host"},
			mounts:  []*runtime.Mount{{HostPath: "/", ContainerPath: "/host"}},
			posture: plain("HostPathMounted", "HostRootEntered"), unknown: "another root directory", level: v1alpha1.LevelPrivileged,
			evidence: map[string]evidence{"HostPathMounted": {actual: []string{"/ (sensitive, writable)"}}},
		},
	}
}

// rooted reports whether a process has a root directory that ends so.
func rooted(dir string) func([]thread) bool {
	return some(func(t thread) bool { return strings.HasSuffix(t.root, dir) })
}
