// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TestStartingProgram has a process that is seen while it is still runc's own, and what
// becomes of it then.
func TestStartingProgram(t *testing.T) {
	t.Parallel()
	const pid = 42
	comm := func(fs *nsinspect.FS) string { return filepath.Join(fs.Root(), fmt.Sprint(pid), "comm") }
	tests := map[string]struct {
		then    func(fs *nsinspect.FS) error
		command string
		took    time.Duration
	}{
		"the program takes over": {
			func(fs *nsinspect.FS) error { return os.WriteFile(comm(fs), []byte("sleep\n"), 0o600) },
			"sleep", startPause,
		},
		"it ends":  {func(fs *nsinspect.FS) error { return os.Remove(comm(fs)) }, "runc:[2:INIT]", startPause},
		"it stays": {func(*nsinspect.FS) error { return nil }, "runc:[2:INIT]", DefaultSettle},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := scantest.Procfs(t, map[int]string{pid: "/kubepods/" + scantest.HexID("a")})
			scantest.Must(t, os.WriteFile(comm(fs), []byte("runc:[2:INIT]"+"\n"), 0o600))
			synctest.Test(t, func(t *testing.T) {
				config := Config{
					Procfs: fs, Settle: DefaultSettle, Hosts: pid1(),
					Source: scantest.Source{Listed: []inventory.Container{scantest.Named("a", inventory.Running, pid)}},
				}
				config.Progress = func(stage string) {
					if stage == "wait for programs that are being started" {
						scantest.Must(t, test.then(fs))
					}
				}
				snap, err := New(config).Scan(t.Context())
				scantest.Must(t, err)
				if got := snap.Containers[0].Processes[0].Command; got != test.command || snap.Duration != test.took {
					t.Errorf("command %q after %s, want %q after %s", got, snap.Duration, test.command, test.took)
				}
			})
		})
	}
}

// TestWeakWhileStarting has processes that are weaker than they were to be. A scan waits for those of a
// runtime: its child, and a container's init process that has yet to become the program. A name alone
// buys nothing, and a runtime has more than a setuid file gives.
func TestWeakWhileStarting(t *testing.T) {
	t.Parallel()
	user := scantest.User(uid)
	root, capable := user, user
	root.UIDs = nsinspect.IDs{}
	capable.Permitted = capSysPtrace
	const waits = patience
	for name, test := range map[string]struct {
		credentials nsinspect.Credentials
		hostRoot    bool
		run         run
		took        time.Duration
	}{
		"a setuid program":        {root, false, run{0, 1, 0, "runc", ""}, DefaultSettle},
		"named like it":           {capable, false, run{0, initOf(1), 0, "runc:[2:INIT]", ""}, DefaultSettle},
		"the runtime's":           {capable, false, run{0, runtimePID, 0, "6", "runc"}, waits},
		"with the host's root":    {user, true, run{0, runtimePID, 0, "6", "runc"}, waits},
		"init, before its last":   {capable, false, run{0, shimPID, 0, "runc:[2:INIT]", ""}, waits},
		"init, of another name":   {capable, false, run{0, shimPID, 0, "sh", ""}, DefaultSettle},
		"init, not young":         {capable, false, run{0, shimPID, 2 * patience, "runc:[2:INIT]", ""}, DefaultSettle},
		"root while it starts":    {root, false, run{0, shimPID, 0, "runc:[2:INIT]", ""}, DefaultSettle},
		"a name, the host's root": {user, true, run{0, initOf(1), 0, "runc", ""}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, pid := newBox(t, 1, 1), initOf(0)
			b.addRuntime(t)
			b.link(t, pid, "ns/user", 1)
			scantest.Run(t, b.fs, pid, test.run.parent, test.run.age, test.run.command, b.program(test.run.file))
			scantest.Become(t, b.fs, pid, test.credentials)
			if test.hostRoot {
				b.link(t, pid, "root", 1)
			}
			if snap := b.scan(t, Lean, nil); snap.Duration != test.took {
				t.Errorf("it took %s, want %s", snap.Duration, test.took)
			}
		})
	}
}

// TestRuntimeAtWork has a process that has everything of the host but its network, and no label yet. In a
// container that was not started, that is the runtime's own, for as long as hooks run.
func TestRuntimeAtWork(t *testing.T) {
	t.Parallel()
	found := []string{
		"UndeclaredRootUser", "UndeclaredPrivileged", "UndeclaredPrivilegeEscalation",
		"UndeclaredSeccompUnconfined", "UndeclaredAppArmorUnconfined", "UndeclaredHostRoot",
	}
	for name, test := range map[string]struct {
		status inventory.Status
		parent int
		isInit bool
		thread bool // Only a thread of it has the host's root directory.
		want   []string
	}{
		"the runtime's, created":        {inventory.Created, runtimePID, false, false, nil},
		"the runtime's, without a task": {inventory.NoTask, runtimePID, false, false, nil},
		"init, whatever its parent is":  {inventory.Created, initOf(0), true, false, nil},
		"a thread of the runtime's":     {inventory.Created, runtimePID, false, true, nil},
		"a thread of another":           {inventory.Created, initOf(0), false, true, found},
		"another, created":              {inventory.Created, initOf(0), false, false, found},
		"another, without a task":       {inventory.NoTask, initOf(0), false, false, found},
		"the runtime's, running":        {inventory.Running, runtimePID, false, false, found},
		"init, running":                 {inventory.Running, shimPID, true, false, found},
	} {
		for of, depth := range map[string]Depth{"lean": Lean, "full": Full} {
			if test.thread && depth == Lean {
				continue // Its turn comes in one of some scans.
			}
			t.Run(name+", "+of, func(t *testing.T) {
				t.Parallel()
				b, pid := newBox(t, 2), initOf(0)+16
				if test.isInit {
					pid = initOf(0)
				}
				c := &b.containers[0]
				c.Status, c.Security.Spec.AppArmor = test.status, "default"
				c.Security.Spec.Bounding |= capSysAdmin // So that the root directory is read of each process.
				c.Security.Spec.Mounts = []inventory.Mount{{Source: "/data", Point: "/data"}}
				for _, confined := range []int{1, initOf(0), initOf(0) + 16} {
					b.link(t, confined, "ns/user", 1)
					b.label(t, confined, "default (enforce)")
				}
				b.addRuntime(t)
				scantest.Run(t, b.fs, pid, test.parent, 2*patience, "runc:[1:CHILD]", b.program("runc"))
				if test.thread {
					scantest.Become(t, b.fs, pid, scantest.Root(), scantest.Root())
					b.enterRoot(t, pid, pid+1, 1)
				} else {
					scantest.Become(t, b.fs, pid, scantest.Root())
					b.link(t, pid, "root", 1)
				}
				b.label(t, pid, nsinspect.Unconfined)
				var got []string
				for _, finding := range audit.Judge(b.scan(t, depth, nil)).Findings {
					if finding.Check != audit.HostNetwork { // Which all of them declare.
						got = append(got, finding.Reason())
					}
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

// TestInitOfNewContainer has a container that was made after the list, with a process that has all
// capabilities still: its init, unless another than the shim is the parent.
func TestInitOfNewContainer(t *testing.T) {
	t.Parallel()
	found := []string{"UndeclaredCapabilities"}
	for name, test := range map[string]struct {
		run  run
		want []string
	}{
		"of the shim":             {run{0, shimPID, 0, "runc:[2:INIT]", ""}, nil},
		"of the shim, not young":  {run{0, shimPID, 2 * patience, "runc:[2:INIT]", ""}, found},
		"of the shim, a program":  {run{0, shimPID, 0, "sh", ""}, found},
		"of another, named so":    {run{0, initOf(1), 0, "runc:[2:INIT]", ""}, found},
		"of the runtime, a stage": {run{0, runtimePID, 0, "6", "runc"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, pid := newBox(t, 1, 1), initOf(0)
			b.containers[0].Status, b.containers[0].PID = inventory.NoTask, 0
			b.containers[1].Security.Spec.Mounts = []inventory.Mount{{Source: "/data", Point: "/data"}}
			b.addRuntime(t)
			b.link(t, pid, "ns/user", 1)
			scantest.Run(t, b.fs, pid, test.run.parent, test.run.age, test.run.command, b.program(test.run.file))
			capable := scantest.User(uid)
			capable.Permitted, capable.Effective = capSysPtrace, capSysPtrace
			scantest.Become(t, b.fs, pid, capable)
			var got []string
			for _, finding := range audit.Judge(b.scan(t, Lean, nil)).Findings {
				if finding.Check != audit.HostNetwork { // Which all of them declare.
					got = append(got, finding.Reason())
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestMountsBeforeTheStart has a container whose mounts the runtime may still be at.
func TestMountsBeforeTheStart(t *testing.T) {
	t.Parallel()
	for status, want := range map[inventory.Status]bool{inventory.NoTask: false, inventory.Created: false, inventory.Running: true} {
		b := newBox(t, 2)
		b.containers[0].Status = status
		if c := &b.scan(t, Full, nil).Containers[0]; (c.Mounts != nil) != want || security(c) != nil {
			t.Errorf("%s: mounts %+v, unread %q", status, c.Mounts, security(c))
		}
	}
}
