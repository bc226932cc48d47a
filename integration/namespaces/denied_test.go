// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// nobody is a user without any right.
const nobody = 65534

// mentions reports whether any of the texts holds all of the parts.
func mentions(gaps []snapshot.Gap, parts ...string) bool {
	return slices.ContainsFunc(gaps, func(gap snapshot.Gap) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(gap.Detail, part) })
	})
}

// mustKnowNothing fails unless the snapshot gives no verdict, and says why.
func mustKnowNothing(t *testing.T, snap *snapshot.Snapshot, gaps ...[]string) {
	t.Helper()
	if snap.Host.Reference != nsinspect.ByNone {
		t.Errorf("host reference %+v", snap.Host)
	}
	for _, parts := range gaps {
		if !mentions(snap.Coverage.Gaps, parts...) {
			t.Errorf("no gap mentions %q: %q", parts, snap.Coverage.Gaps)
		}
	}
	result := audit.Judge(snap)
	if len(result.Findings) > 0 || len(result.Unknown) < 3 {
		t.Errorf("findings %+v, unknown %+v, want none and each check", result.Findings, result.Unknown)
	}
}

// Without the right to look nothing is clean, and the remedy is named.
func TestWithoutRights(t *testing.T) {
	openProcfs(t)
	id, dir := hierarchies(t)[0].container(t)
	launch(t, launchOptions{role: role{Do: "block"}, cgroup: dir}).ready()
	snap := launch(t, launchOptions{role: role{Do: "scan"}, uid: nobody}).snap()
	mustKnowNothing(t, snap, []string{"CAP_SYS_PTRACE is missing"}, []string{"no host reference", "kthreadd: ", "denied"})
	container := containerIn(snap, id)
	if container == nil || !mentions(container.Unread.Gaps, "could not be read: permission denied") || snap.Coverage.Denied == 0 {
		t.Errorf("container %+v, coverage %+v", container, snap.Coverage)
	}
}

// A procfs can hide processes from users who may not trace them.
func TestHiddenProcesses(t *testing.T) {
	openProcfs(t)
	id, dir := hierarchies(t)[0].container(t)
	launch(t, launchOptions{role: role{Do: "block"}, cgroup: dir}).ready()
	tests := map[string]struct {
		options string
		uid     uint32
		// shared says that the container is seen, and so judged.
		shared bool
		gaps   [][]string
	}{
		"invisible":     {"hidepid=2", nobody, false, [][]string{{"processes are hidden", "hidepid=", "CAP_SYS_PTRACE"}, {"no host reference"}}},
		"without files": {"hidepid=1", nobody, false, [][]string{{"processes are hidden", "hidepid="}, {"CAP_SYS_PTRACE is missing"}}},
		"from others":   {"hidepid=2", 0, true, nil},
		"not at all":    {"hidepid=0", 0, true, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			snap := launch(t, launchOptions{
				flags: unix.CLONE_NEWNS,
				role:  role{Do: "mount", Mount: test.options, UID: test.uid, Then: &role{Do: "scan"}},
			}).snap()
			if test.shared {
				if _, found := findingsOf(t, snap, id)[audit.HostNetwork]; !found {
					t.Errorf("the sharing was not found; coverage %+v", snap.Coverage)
				}
				if mentions(snap.Coverage.Gaps, "hid") {
					t.Errorf("gaps %q, though all was seen", snap.Coverage.Gaps)
				}
				return
			}
			mustKnowNothing(t, snap, test.gaps...)
		})
	}
}

// Paths are relative to the reader's cgroup namespace: those of others start with "/..".
func TestFromAnotherCgroupNamespace(t *testing.T) {
	fs := openProcfs(t)
	hostNamespaces(t, fs)
	for _, h := range hierarchies(t) {
		t.Run(h.name, func(t *testing.T) {
			id, dir := h.container(t)
			_, readersDir := h.container(t)
			launch(t, launchOptions{role: role{Do: "block"}, flags: unix.CLONE_NEWPID, cgroup: dir}).ready()
			snap := launch(t, launchOptions{
				cgroup: readersDir,
				role:   role{Do: "become", Unshare: unix.CLONE_NEWCGROUP, Then: &role{Do: "scan"}},
			}).snap()
			for check, reason := range undeclared(audit.HostNetwork, audit.HostIPC) {
				if got := reasonsOf(t, snap, id)[check]; got != reason {
					t.Errorf("%s is %q, want %q", check, got, reason)
				}
			}
		})
	}
}
