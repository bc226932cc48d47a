// SPDX-License-Identifier: Apache-2.0

//go:build integration

package security_test

import (
	"archive/tar"
	"os/exec"

	"github.com/opencontainers/runtime-spec/specs-go"
	corev1 "k8s.io/api/core/v1"
)

// restricted is a security context that the restricted level accepts.
func restricted() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		RunAsUser: new(int64(999)), RunAsNonRoot: new(true), AllowPrivilegeEscalation: new(false),
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

func with(s *corev1.SecurityContext, change func(*corev1.SecurityContext)) *corev1.SecurityContext {
	change(s)
	return s
}

// asRoot is what `ctr task exec --user 0` changes.
func asRoot(process *specs.Process) { process.User = specs.User{} }

// asUser and inGroup have a process of another user, and of another group in addition.
func asUser(uid uint32) func(*specs.Process) {
	return func(process *specs.Process) { process.User.UID = uid }
}

func inGroup(gid uint32) func(*specs.Process) {
	return func(process *specs.Process) { process.User.AdditionalGids = append(process.User.AdditionalGids, gid) }
}

// leader reports whether the first thread of some process is so.
func leader(is func(thread) bool) func([]thread) bool {
	return some(func(t thread) bool { return t.tid == t.pid && is(t) })
}

// processes reports whether there are as many.
func processes(n int) func([]thread) bool {
	return func(threads []thread) bool { return len(pids(threads)) == n }
}

func pids(threads []thread) map[int]bool {
	all := make(map[int]bool)
	for _, t := range threads {
		all[t.pid] = true
	}
	return all
}

// script is the header of a program that a shell runs.
func script(path string) tar.Header { return tar.Header{Name: path[1:], Mode: 0o755} }

// hostProcess starts a process that is in no container.
func (n *node) hostProcess() int {
	n.t.Helper()
	cmd := exec.CommandContext(n.t.Context(), "sleep", "infinity")
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}
