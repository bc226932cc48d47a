// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// rootBehind leaves the process's leader another user, as a raw system call does, while its other
// threads stay root. With an N the leader then ends.
func rootBehind(r role) error {
	if err := setresuid(restrictedUID, restrictedUID, restrictedUID); err != nil {
		return err
	}
	if r.N == 0 {
		ready("")
		return awaitEnd()
	}
	return endLeader(r)
}

// setresuid changes the ids of the calling thread only.
func setresuid(ruid, euid, suid uintptr) error {
	if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, ruid, euid, suid); errno != 0 {
		return fmt.Errorf("set the user ids: %w", errno)
	}
	return nil
}

// restrictThread has a thread with fewer rights than the others, as browsers and sshd have.
func restrictThread(role) error {
	tid, err := onThread(func() error {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_ADMIN, 0, 0, 0); err != nil {
			return err
		}
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
		for range restrictedFilters {
			if err := allowAll(); err != nil {
				return err
			}
		}
		return setresuid(restrictedUID, restrictedUID, restrictedUID)
	})
	if err != nil {
		return err
	}
	ready("%d", tid)
	return awaitEnd()
}

// switchUser changes between root and another user as fast as it can. It keeps its capabilities, so
// that it can go back; they are in effect as root only.
func switchUser(role) error {
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective, data[1].Effective = data[0].Permitted, data[1].Permitted
	end := make(chan error, 1)
	go func() { end <- awaitEnd() }()
	ready("")
	for {
		select {
		case err := <-end:
			return err
		default:
		}
		for range 1000 {
			if err := setresuid(restrictedUID, restrictedUID, restrictedUID); err != nil {
				return err
			}
			if _, _, errno := syscall.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0); errno != 0 {
				return errno
			}
			if err := setresuid(0, 0, 0); err != nil {
				return err
			}
		}
		runtime.KeepAlive(&data)
	}
}

// manyMounts mounts a tree into itself N times, which each time doubles the mounts.
func manyMounts(r role) error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", r.Path, "tmpfs", 0, ""); err != nil {
		return err
	}
	for i := range r.N {
		dir := filepath.Join(r.Path, strconv.Itoa(i))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(r.Path, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
	}
	ready("")
	return awaitEnd()
}

// confined is a runtime spec for a program of a user, of which the mounts are not looked at.
func confined(uid uint32) *inventory.SecuritySpec {
	return &inventory.SecuritySpec{
		UID: uid, Bounding: 1<<41 - 1,
		Host: []nsinspect.Kind{nsinspect.User, nsinspect.UTS, nsinspect.Cgroup, nsinspect.Mnt},
	}
}

// withMounts is what a runtime was told for a container of which the mounts are looked at.
func withMounts() *inventory.SecuritySpec {
	spec := confined(0)
	spec.Host = slices.DeleteFunc(spec.Host, func(kind nsinspect.Kind) bool { return kind == nsinspect.Mnt })
	return spec
}

// boxed puts a role into a container that a runtime was told so of.
func boxed(t *testing.T, h hierarchy, spec *inventory.SecuritySpec, options launchOptions) (inventory.Container, *launched) {
	t.Helper()
	id, dir := h.container(t)
	options.cgroup = dir
	options.flags |= unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWPID | unix.CLONE_NEWNS
	p := launch(t, options)
	return inventory.Container{
		ID: id, RuntimeName: runtimes.Containerd, RuntimeNamespace: "moby", Runtime: "io.containerd.runc.v2",
		Status: inventory.Running, PID: p.pid, CgroupsPath: "/docker/" + id,
		Declared: inventory.Declaration{By: inventory.BySpec}, Security: &inventory.Security{Spec: spec},
	}, p
}

// contextConfig scans these containers and reads their security context.
func contextConfig(fs *nsinspect.FS, depth scan.Depth, containers ...inventory.Container) scan.Config {
	config := scanConfig(fs)
	config.Depth, config.Contexts, config.Source = depth, new(scan.ContextCache), scantest.Source{Listed: containers}
	return config
}

// weakerIn returns the ways in which threads of a container are weaker than the runtime was told:
// of each group of threads those that a second look has confirmed.
func weakerIn(t *testing.T, snap *snapshot.Snapshot, id string) []inventory.Weakness {
	t.Helper()
	c := containerIn(snap, id)
	if c == nil {
		t.Fatalf("container %s is not in the snapshot", id)
	}
	var all []inventory.Weakness
	for i := range c.Processes {
		for _, group := range c.Processes[i].Credentials {
			ways := c.Security.Spec.Weaker(&c.Credentials[group.Set].Credentials, c.IsNested(&c.Processes[i], &snap.Host)) &^ group.Unconfirmed
			if ways != 0 {
				all = append(all, ways)
			}
		}
	}
	return all
}

// TestThreadsAreJudged has threads with other credentials than their leader.
func TestThreadsAreJudged(t *testing.T) {
	fs := openProcfs(t)
	h := hierarchies(t)[0]
	tests := map[string]struct {
		role role
		uid  uint32
		root bool
	}{
		"root behind another user":         {role{Do: "root behind"}, restrictedUID, true},
		"root behind a leader that ended":  {role{Do: "root behind", N: 1}, restrictedUID, true},
		"a thread with fewer rights":       {role{Do: "restrict thread"}, 0, false},
		"a thread that is not the leader":  {role{Do: "other user"}, 0, false},
		"a thread of another user's":       {role{Do: "other user"}, restrictedUID, true},
		"a process that gave up its right": {role{Do: "restrict"}, restrictedUID, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			container, p := boxed(t, h, confined(test.uid), launchOptions{role: test.role})
			p.ready()
			for depth, of := range map[scan.Depth]string{scan.Lean: "lean", scan.Full: "full"} {
				snap := takeScan(t, contextConfig(fs, depth, container))
				root := slices.Contains(weakerIn(t, snap, container.ID), inventory.IsRoot)
				if root != test.root {
					t.Errorf("%s: a thread is root: %t, want %t", of, root, test.root)
				}
				if gaps := containerIn(snap, container.ID).Unread.Security; len(gaps) > 0 {
					t.Errorf("%s: unread %v", of, gaps)
				}
			}
		})
	}
}

// TestMixedCredentials has a process that switches its user. What the kernel shows of it is not
// of one moment, and nothing of that becomes a finding.
func TestMixedCredentials(t *testing.T) {
	fs := openProcfs(t)
	h := hierarchies(t)[0]
	asRoot, root := boxed(t, h, confined(0), launchOptions{role: role{Do: "switch user"}})
	asUser, user := boxed(t, h, confined(restrictedUID), launchOptions{role: role{Do: "switch user"}})
	root.ready()
	user.ready()
	process := openProcess(t, fs, user.pid)
	spec, mixed := asUser.Security.Spec, 0
	for range 10_000 {
		got, err := process.Credentials()
		if err != nil {
			t.Fatal(err)
		}
		if got.UIDs.Effective == 0 && got.Effective == 0 || got.UIDs.Real != got.UIDs.Saved {
			mixed++
		}
		// In each of its two states it is weaker in one of two ways, and never in another.
		if ways := spec.Weaker(&got, false); ways != inventory.IsRoot && ways != inventory.GainsPrivileges {
			t.Fatalf("%+v is weaker: %b", got, ways)
		}
	}
	t.Logf("%d of 10,000 reads were of two moments", mixed)
	for range 20 {
		snap := takeScan(t, contextConfig(fs, scan.Lean, asRoot, asUser))
		if got := weakerIn(t, snap, asRoot.ID); got != nil {
			t.Errorf("a program that is to be root is weaker: %b", got)
		}
		for _, ways := range weakerIn(t, snap, asUser.ID) {
			if ways != inventory.IsRoot && ways != inventory.GainsPrivileges {
				t.Errorf("a thread is weaker in ways that it is not at once: %b", ways)
			}
		}
	}
}

// hostileProcesses and hostileMounts are of the containers of TestHostileContainers.
const (
	hostileProcesses = 50
	hostileMounts    = 15 // 2 to the power of it.
)

// TestHostileContainers has a container whose processes are in as many groups as there can be, and
// one with as many mounts: they are unknown, others are judged, and a scan takes little longer.
func TestHostileContainers(t *testing.T) {
	fs := openProcfs(t)
	h := hierarchies(t)[0]
	quiet, p := boxed(t, h, confined(restrictedUID), launchOptions{role: role{Do: "root behind"}})
	p.ready()
	before := scanTime(t, contextConfig(fs, scan.Full, quiet))

	groups, first := boxed(t, h, confined(0), launchOptions{role: role{Do: "many groups"}})
	first.ready()
	dir := filepath.Join(h.dir, groups.CgroupsPath)
	for range hostileProcesses - 1 {
		launch(t, launchOptions{role: role{Do: "many groups"}, cgroup: dir, flags: unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWPID}).ready()
	}
	mounts, crowd := boxed(t, h, withMounts(), launchOptions{role: role{Do: "many mounts", Path: t.TempDir(), N: hostileMounts}})
	crowd.ready()
	for depth, of := range map[scan.Depth]string{scan.Lean: "lean", scan.Full: "full"} {
		config := contextConfig(fs, depth, quiet, groups, mounts)
		snap := takeScan(t, config)
		for _, container := range []inventory.Container{groups, mounts} {
			gaps := containerIn(snap, container.ID).Unread.Security
			if !slices.ContainsFunc(gaps, func(gap snapshot.Gap) bool { return gap.Cause == snapshot.CauseLimit }) {
				t.Errorf("%s: unread %v", of, gaps)
			}
		}
		if got := weakerIn(t, snap, quiet.ID); !slices.Contains(got, inventory.IsRoot) {
			t.Errorf("%s: the other container is weaker: %b", of, got)
		}
		if gaps := containerIn(snap, quiet.ID).Unread.Security; len(gaps) > 0 {
			t.Errorf("%s: of the other container: unread %v", of, gaps)
		}
		after, whole := scanTime(t, config), readTime(t, containerIn(snap, groups.ID).Processes)
		t.Logf("%s: %s, and %s without them: %.1f times; to read all of them takes %s", of, after, before, float64(after)/float64(before), whole)
		if after > before+whole {
			t.Errorf("%s: a scan takes %s, and %s without them: as long as if all of them were read, which takes %s", of, after, before, whole)
		}
	}
}

// readTime returns what it takes to read the status of each process whole, which no scan may do.
func readTime(t *testing.T, processes []snapshot.Process) time.Duration {
	t.Helper()
	start := time.Now()
	for i := range processes {
		if _, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", processes[i].PID)); err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(start)
}

// scanTime returns what a scan takes, without what it waits: the least of some, on a busy machine.
func scanTime(t *testing.T, config scan.Config) time.Duration {
	t.Helper()
	config.Settle = 0
	var all []time.Duration
	for range 5 {
		all = append(all, takeScan(t, config).Duration)
	}
	return slices.MinFunc(all, cmp.Compare)
}

// TestMountsOfContainers has containers in mount namespaces of their own. The mounts that a process
// with the host's root directory shows may be those below a mount of it, and those of a process with
// another root directory are not all.
func TestMountsOfContainers(t *testing.T) {
	fs := openProcfs(t)
	h := hierarchies(t)[0]
	atHostRoot, p := boxed(t, h, withMounts(), launchOptions{role: role{Do: "change root", Path: t.TempDir(), N: 1}})
	p.ready()
	c := containerIn(takeScan(t, contextConfig(fs, scan.Lean, atHostRoot)), atHostRoot.ID)
	if c.Mounts != nil || len(c.Processes) != 1 || !c.Processes[0].HostRoot || len(c.Unread.Security) != 1 {
		t.Errorf("container %+v", c)
	}
	chrooted, p := boxed(t, h, withMounts(), launchOptions{role: role{Do: "change root", Path: t.TempDir()}})
	p.ready()
	c = containerIn(takeScan(t, contextConfig(fs, scan.Lean, chrooted)), chrooted.ID)
	if c.Mounts != nil || c.Processes[0].HostRoot || len(c.Unread.Security) != 1 {
		t.Errorf("container %+v", c)
	}
}

// TestRuntimeAtWork has a process in a container's cgroup and namespaces that is root, with all
// capabilities and the host's root directory, as a runtime's own is while hooks run.
func TestRuntimeAtWork(t *testing.T) {
	fs := openProcfs(t)
	h := hierarchies(t)[0]
	for name, test := range map[string]struct {
		status inventory.Status
		parent string
		found  bool
	}{
		"the runtime's own, before the start": {inventory.Created, "runc", false},
		"another, before the start":           {inventory.Created, "web", true},
		"the runtime's own, in one that runs": {inventory.Running, "runc", true},
	} {
		t.Run(name, func(t *testing.T) {
			becomeNamed(t, test.parent)
			spec := withMounts()
			spec.UID = restrictedUID
			container, init := boxed(t, h, spec, launchOptions{role: role{Do: "block"}})
			init.ready()
			container.Status = test.status
			p := launch(t, launchOptions{
				role: role{Do: "block", Command: "runc:[1:CHILD]"}, cgroup: filepath.Join(h.dir, container.CgroupsPath),
				flags: ownNamespaces | unix.CLONE_NEWNS,
			})
			p.ready()
			for depth, of := range map[scan.Depth]string{scan.Lean: "lean", scan.Full: "full"} {
				c := containerIn(takeScan(t, contextConfig(fs, depth, container)), container.ID)
				i := slices.IndexFunc(c.Processes, func(process snapshot.Process) bool { return process.PID == p.pid })
				if i < 0 || len(c.Processes[i].Credentials) == 0 {
					t.Fatalf("%s: container %+v", of, c)
				}
				weak := !c.Processes[i].Credentials[0].Unconfirmed.Has(inventory.IsRoot)
				if weak != test.found || c.Processes[i].HostRoot != test.found {
					t.Errorf("%s: process %+v", of, c.Processes[i])
				}
				if gaps := c.Unread.Security; test.status == inventory.Created && (c.Mounts != nil || len(gaps) > 0) {
					t.Errorf("%s: mounts %+v, unread %v", of, c.Mounts, gaps)
				}
			}
		})
	}
}

// becomeNamed gives this process a name until the end of the test: it is the parent of those that it starts, which
// execute what it does.
func becomeNamed(t *testing.T, name string) {
	t.Helper()
	const file = "/proc/self/comm"
	before, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte(name), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(file, before, 0); err != nil {
			t.Error(err)
		}
	})
}
