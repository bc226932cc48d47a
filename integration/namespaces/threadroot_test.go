// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/scan"
)

// returnToRoot changes the root directory, and has a thread that goes back to the host's.
func returnToRoot(r role) error {
	host, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Chroot(r.Path); err != nil {
		return err
	}
	_, err = onThread(func() error {
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return err
		}
		if err := unix.Fchdir(host); err != nil {
			return err
		}
		return unix.Chroot(".")
	})
	if err != nil {
		return err
	}
	ready("")
	return awaitEnd()
}

// TestThreadAtHostRoot has a process of which a single thread has the host's root directory. A lean
// scan finds it when the thread's turn has come, and in each scan from then on.
func TestThreadAtHostRoot(t *testing.T) {
	fs := openProcfs(t)
	container, p := boxed(t, hierarchies(t)[0], withMounts(), launchOptions{role: role{Do: "return to root", Path: t.TempDir()}})
	p.ready()
	tids := threadsAtRoot(t, p.pid)
	look := func(config scan.Config) bool {
		t.Helper()
		snap := takeScan(t, config)
		c := containerIn(snap, container.ID)
		if len(c.Processes) != 1 || c.Processes[0].HostRoot {
			t.Fatalf("container %+v", c)
		}
		findings := slices.DeleteFunc(audit.Judge(snap).Findings, func(f audit.Finding) bool { return f.Reason() != "UndeclaredHostRoot" })
		if len(findings) == 0 {
			return false
		}
		evidence := findings[0].Evidence.(*audit.SecurityEvidence)
		want := []audit.ProcessEvidence{{PID: p.pid, Command: evidence.Processes[0].Command, Threads: 1, TIDs: tids}}
		if diff := cmp.Diff(want, evidence.Processes); diff != "" || len(findings) != 1 {
			t.Errorf("%d findings (-want +got):\n%s", len(findings), diff)
		}
		return true
	}
	if !look(contextConfig(fs, scan.Full, container)) {
		t.Error("a full scan has not found the thread")
	}
	config := contextConfig(fs, scan.Lean, container)
	rounds := 1
	for ; !look(config); rounds++ {
		if rounds == 16 {
			t.Fatal("16 lean scans have not found the thread")
		}
	}
	t.Logf("found by lean scan %d", rounds)
	if !look(config) {
		t.Error("the lean scan after that has not found it again")
	}
}

// threadsAtRoot returns the threads of a process that have this process's root directory.
func threadsAtRoot(t *testing.T, pid int) []int {
	t.Helper()
	own, err := os.Stat("/")
	if err != nil {
		t.Fatal(err)
	}
	dir := fmt.Sprintf("/proc/%d/task", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var tids []int
	for _, entry := range entries {
		root, err := os.Stat(filepath.Join(dir, entry.Name(), "root"))
		if err != nil {
			t.Fatal(err)
		}
		if tid, err := strconv.Atoi(entry.Name()); err == nil && os.SameFile(own, root) {
			tids = append(tids, tid)
		}
	}
	return tids
}
