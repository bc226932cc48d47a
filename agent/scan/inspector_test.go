// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TestContext has a container as it was to be.
func TestContext(t *testing.T) {
	t.Parallel()
	for name, depth := range map[string]Depth{"lean": Lean, "full": Full} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, 2)
			scantest.Must(t, os.MkdirAll(filepath.Join(b.fs.Root(), "sys"), 0o755))
			scantest.Must(t, os.WriteFile(filepath.Join(b.fs.Root(), "keys"), nil, 0o600))
			b.link(t, initOf(0), "ns/user", 1)
			snap := b.scan(t, depth, nil)
			if want := (&snapshot.HostSecurity{Bounding: 1<<41 - 1}); !cmp.Equal(want, snap.HostSecurity) {
				t.Errorf("host %+v, want %+v", snap.HostSecurity, want)
			}
			c := &snap.Containers[0]
			wantSet := scantest.User(uid)
			wantSet.Known = nsinspect.FieldAmbient | nsinspect.FieldNoNewPrivileges | nsinspect.FieldSeccomp | nsinspect.FieldFilters
			if diff := cmp.Diff([]snapshot.Credentials{{Credentials: wantSet}}, c.Credentials); diff != "" {
				t.Errorf("credentials (-want +got):\n%s", diff)
			}
			for _, process := range c.Processes {
				if want := []snapshot.CredentialGroup{{Threads: 1}}; !cmp.Equal(want, process.Credentials) || process.HostRoot {
					t.Errorf("process %+v", process)
				}
				if _, ok := process.Groups[0].Namespaces.Get(nsinspect.UTS); ok != (depth == Full || process.PID == c.PID) {
					t.Errorf("process %d: its UTS namespace is known: %t", process.PID, ok)
				}
			}
			wantMounts := &snapshot.Mounts{ReadOnlyRoot: true, Host: []nsinspect.Mount{{Major: 254, Minor: 1, Root: "/data", Point: "/data", FSType: "ext4"}}}
			if diff := cmp.Diff(wantMounts, c.Mounts); diff != "" {
				t.Errorf("mounts (-want +got):\n%s", diff)
			}
			if host, _ := snap.Host.Namespaces.Get(nsinspect.User); c.UserNamespace != host || security(c) != nil {
				t.Errorf("user namespace %v, unread %q", c.UserNamespace, security(c))
			}
		})
	}
}

// TestWeaker has a process that is weaker than its container was to be, and what becomes of it
// before it is looked at again.
func TestWeaker(t *testing.T) {
	t.Parallel()
	user, pid := scantest.User(uid), initOf(0)
	root := user
	root.UIDs = nsinspect.IDs{}
	gained := user
	gained.Permitted = 1 << 13
	unfiltered := user
	unfiltered.Seccomp, unfiltered.NoNewPrivileges = nsinspect.SeccompDisabled, false
	helper, member := user, user
	helper.GIDs = nsinspect.IDs{Effective: 43, Saved: 43, Filesystem: 43}
	member.Groups = []uint32{10}
	tighter := user
	tighter.Filters, tighter.Bounding = 30, 0
	tests := map[string]struct {
		first, second []nsinspect.Credentials // nil: the same.
		status        inventory.Status
		command       string
		nested, gone  bool
		want          []string
		transient     int
	}{
		"it stays":                                {first: []nsinspect.Credentials{root}, want: []string{"10000 [] root"}},
		"a set-user-ID program ends":              {first: []nsinspect.Credentials{root}, gone: true, transient: 1},
		"it drops to the user":                    {first: []nsinspect.Credentials{root}, second: []nsinspect.Credentials{user}, transient: 1},
		"it is weak in another way":               {first: []nsinspect.Credentials{root}, second: []nsinspect.Credentials{gained}, transient: 1},
		"it stays weak in one of two":             {first: []nsinspect.Credentials{unfiltered}, second: []nsinspect.Credentials{{UIDs: user.UIDs, Bounding: user.Bounding, NoNewPrivileges: true}}, want: []string{"10000 [] no filter"}},
		"tighter is not weaker":                   {first: []nsinspect.Credentials{tighter}},
		"one thread is root":                      {first: []nsinspect.Credentials{user, root, user}, want: []string{"10000 [10001] root"}},
		"one thread is tighter":                   {first: []nsinspect.Credentials{user, tighter, user}},
		"another thread is it then":               {first: []nsinspect.Credentials{user, root, user}, second: []nsinspect.Credentials{user, user, root}, transient: 1},
		"created, and not yet started":            {first: []nsinspect.Credentials{unfiltered}, status: inventory.Created},
		"capabilities of its own":                 {first: []nsinspect.Credentials{gained}, want: []string{"10000 [] gains privileges"}},
		"capabilities in its own users":           {first: []nsinspect.Credentials{gained}, nested: true},
		"root in its own user namespace":          {first: []nsinspect.Credentials{root}, nested: true, want: []string{"10000 [] root"}},
		"a set-group-ID program ends":             {first: []nsinspect.Credentials{helper}, gone: true, transient: 1},
		"a set-group-ID program executes another": {first: []nsinspect.Credentials{helper}, second: []nsinspect.Credentials{user}, transient: 1},
		"a set-group-ID program stays":            {first: []nsinspect.Credentials{helper}, want: []string{"10000 [] other groups"}},
		"a supplementary group for a moment":      {first: []nsinspect.Credentials{member}, second: []nsinspect.Credentials{user}, transient: 1},
		"a supplementary group":                   {first: []nsinspect.Credentials{user, member}, want: []string{"10000 [10001] other groups"}},
		"groups of its own users":                 {first: []nsinspect.Credentials{member}, nested: true},
		"named like the runtime's own":            {first: []nsinspect.Credentials{root}, command: "runc:[2:INIT]", want: []string{"10000 [] root"}},
	}
	for name, test := range tests {
		for of, depth := range map[string]Depth{"lean": Lean, "full": Full} {
			t.Run(name+", "+of, func(t *testing.T) {
				t.Parallel()
				b := newBox(t, 2)
				if test.status != "" {
					b.containers[0].Status = test.status
				}
				if test.command != "" {
					b.write(t, pid, "comm", test.command+"\n")
				}
				if !test.nested {
					b.link(t, pid, "ns/user", 1)
				}
				scantest.Become(t, b.fs, pid, test.first...)
				snap := b.scan(t, depth, func() {
					if test.second != nil {
						scantest.Become(t, b.fs, pid, test.second...)
					}
					if test.gone {
						b.remove(t, pid, "")
					}
				})
				c := &snap.Containers[0]
				if diff := cmp.Diff(test.want, weaker(c)); diff != "" {
					t.Errorf("confirmed (-want +got):\n%s", diff)
				}
				if snap.Coverage.Transient != test.transient {
					t.Errorf("%d transient, want %d", snap.Coverage.Transient, test.transient)
				}
				if gaps := security(c); gaps != nil && !test.gone { // Then its mounts could be read of the other.
					t.Errorf("unread %q", gaps)
				}
				for _, process := range c.Processes {
					if weak := len(test.want) > 0 && process.PID == pid; weak && process.Command == "" {
						t.Errorf("process %+v has no name", process)
					}
				}
			})
		}
	}
}

// TestLeaderEnded has a process of which the leader has ended and a thread runs on as root.
func TestLeaderEnded(t *testing.T) {
	t.Parallel()
	b, pid := newBox(t, 2), initOf(0)+16
	root := scantest.User(uid)
	root.UIDs.Saved = 0
	scantest.Become(t, b.fs, pid, scantest.User(uid), root)
	zombie := strings.Replace(scantest.Status(scantest.Root(), 2), "State:\tS (sleeping)", "State:\tZ (zombie)", 1)
	b.write(t, pid, "status", zombie)
	b.write(t, pid, fmt.Sprintf("task/%d/status", pid), zombie)
	snap := b.scan(t, Lean, nil)
	if diff := cmp.Diff([]string{"10016 [] root"}, weaker(&snap.Containers[0])); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestSandboxed has a container with a kernel of its own, which may be known only when its processes
// were read.
func TestSandboxed(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"listed": false, "started during the scan": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, 1, 3)
			sandboxed := &b.containers[1]
			sandboxed.Runtime = "io.containerd.runsc.v1"
			b.link(t, initOf(1), "root", 1)
			scantest.Become(t, b.fs, initOf(1)+16, scantest.Root(), scantest.Root())
			b.enterRoot(t, initOf(1)+16, initOf(1)+17, 1)
			b.write(t, initOf(1), "uid_map", "0 100000 65536\n")
			b.write(t, initOf(1), "gid_map", "0 100000 65536\n")
			if late {
				b.startLate(1)
			}
			c := &b.scan(t, Full, nil).Containers[1]
			if len(c.Credentials)+len(c.UserNamespaces) > 0 || c.Mounts != nil || len(c.Processes) != 3 || c.Name != "b" {
				t.Errorf("container %+v", c)
			}
			if len(c.Unread.Security) != 1 || c.Unread.Security[0].Cause != snapshot.CauseRuntime {
				t.Errorf("unread %q", security(c))
			}
			for _, process := range c.Processes {
				for _, kind := range nsinspect.Kinds() {
					if _, ok := process.Groups[0].Namespaces.Get(kind); ok != slices.Contains(judged(), kind) {
						t.Errorf("process %d: its %s namespace is known: %t", process.PID, kind, ok)
					}
				}
				if process.Credentials != nil || process.AtHostRoot() || process.HostRootTIDs != nil {
					t.Errorf("process %+v", process)
				}
			}
		})
	}
}

// TestStartedDuringTheScan has a container that becomes known after its processes were read: no
// second look was taken at them.
func TestStartedDuringTheScan(t *testing.T) {
	t.Parallel()
	b := newBox(t, 1, 1)
	scantest.Become(t, b.fs, initOf(1), scantest.Root())
	b.startLate(1)
	c := &b.scan(t, Lean, nil).Containers[1]
	if c.Name != "b" || len(c.Credentials) != 1 || weaker(c) != nil {
		t.Errorf("container %+v is weaker: %q", c, weaker(c))
	}
}

// TestHostRoot has processes whose root directory is the host's.
func TestHostRoot(t *testing.T) {
	t.Parallel()
	plain, mounted := scantest.Confined(uid), scantest.Confined(uid)
	mounted.Spec.Mounts = []inventory.Mount{{Source: "/", Point: "/host"}}
	admin := scantest.Confined(uid)
	admin.Spec.Bounding |= capSysAdmin
	privileged := scantest.Confined(uid)
	privileged.Request = &inventory.SecurityRequest{Privileged: true}
	traces, opens := scantest.Confined(uid), scantest.Confined(uid) // Those with SYS_CHROOT.
	traces.Spec.Bounding |= capSysPtrace
	opens.Spec.Bounding |= capDACReadSearch
	weak := scantest.Confined(uid + 1)
	tests := map[string]struct {
		security   *inventory.Security
		init, lean bool
	}{
		"another, with SYS_PTRACE": {traces, false, true}, "another, with DAC_READ_SEARCH": {opens, false, true},
		"another, which is weaker": {weak, false, true},
		"its init":                 {plain, true, true}, "another, and it may not": {plain, false, false}, "another, with a mount of it": {mounted, false, true},
		"another, with SYS_ADMIN": {admin, false, true}, "another of a privileged one": {privileged, false, true}, "nobody knows what it may": {nil, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, pid := newBox(t, 2), initOf(0)
			if !test.init {
				pid += 16
			}
			b.containers[0].Security = test.security
			b.link(t, pid, "ns/user", 1)
			b.link(t, pid, "root", 1)
			for depth, want := range map[Depth]bool{Lean: test.lean, Full: true} {
				for _, process := range b.scan(t, depth, nil).Containers[0].Processes {
					if process.HostRoot != (want && process.PID == pid) {
						t.Errorf("depth %d, process %d: %t", depth, process.PID, process.HostRoot)
					}
				}
			}
		})
	}
}

// TestHostRootUnread has a host whose root directory can't be read: nothing is taken for it, and no
// container is known to be without it.
func TestHostRootUnread(t *testing.T) {
	t.Parallel()
	const gap = "host: the host's root directory could not be read, so that of its processes can't be compared with it"
	for name, depth := range map[string]Depth{"lean": Lean, "full": Full} {
		b := newBox(t, 1)
		b.remove(t, 1, "root")
		snap := b.scan(t, depth, nil)
		if diff := cmp.Diff([]string{gap}, security(&snap.Containers[0])); diff != "" || len(snap.Coverage.Gaps) != 1 {
			t.Errorf("%s: of the node %v, of the container (-want +got):\n%s", name, snap.Coverage.Gaps, diff)
		}
	}
}

// TestThreadAtHostRoot has a thread whose root directory alone is the host's. A lean scan looks when
// its turn has come, and then each time.
func TestThreadAtHostRoot(t *testing.T) {
	t.Parallel()
	b, pid := newBox(t, 1), initOf(0)
	scantest.Become(t, b.fs, pid, scantest.User(uid), scantest.User(uid))
	look := func(depth Depth) string {
		p := &b.scan(t, depth, nil).Containers[0].Processes[0]
		return fmt.Sprint(p.HostRoot, p.HostRootThreads, p.HostRootTIDs)
	}
	alone := fmt.Sprintf("false 1 [%d]", pid+1)

	b.enterRoot(t, pid, pid+1, pid)
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	check("with the leader's root directory", look(Full), "false 0 []")
	b.enterRoot(t, pid, pid+1, 1)
	check("with the host's", look(Full), alone)
	b.memory = new(ContextCache)
	found := 0
	for range rotation + 4 {
		got := look(Lean)
		if found > 0 || got == alone {
			found++
			check("in a lean scan after it was found", got, alone)
		}
	}
	if found < 5 {
		t.Errorf("%d of %d lean scans have found it", found, rotation+4)
	}
	b.link(t, pid, "root", 1)
	check("with the leader", look(Full), "true 0 []")
}

// TestUserNamespaces has a pod with a user namespace, and a process in one below it.
func TestUserNamespaces(t *testing.T) {
	t.Parallel()
	b := newBox(t, 1, 2)
	pause, app := &b.containers[0], &b.containers[1]
	pause.Sandbox, pause.SandboxID, app.SandboxID = true, pause.ID, pause.ID
	for i := range b.containers {
		spec := b.containers[i].Security.Spec
		spec.Host = nil
		spec.Users = nsinspect.IDMaps{UIDs: nsinspect.IDMap{{Inside: 0, Outside: 100_000, Count: 65_536}}}
	}
	inside := scantest.User(100_000 + uid)
	nested := inside
	nested.Bounding, nested.Effective, nested.Permitted = 1<<41-1, 1<<41-1, 1<<41-1
	b.link(t, initOf(1), "ns/user", initOf(0))
	scantest.Become(t, b.fs, initOf(0), inside)
	scantest.Become(t, b.fs, initOf(1), inside)
	scantest.Become(t, b.fs, initOf(1)+16, nested)
	for _, pid := range []int{initOf(0), initOf(1), initOf(1) + 16} {
		b.write(t, pid, "uid_map", "         0     100000      65536\n")
		b.write(t, pid, "gid_map", "         0     100000      65536\n")
	}
	for name, depth := range map[string]Depth{"lean": Lean, "full": Full} {
		snap := b.scan(t, depth, nil)
		first, second := &snap.Containers[0], &snap.Containers[1]
		if first.UserNamespace.IsZero() || first.UserNamespace != second.UserNamespace || len(first.UserNamespaces) != 1 || len(second.UserNamespaces) != 2 {
			t.Errorf("%s: user namespaces %v and %v", name, first.UserNamespaces, second.UserNamespaces)
		}
		if got := slices.Concat(weaker(first), weaker(second), security(first), security(second)); got != nil {
			t.Errorf("%s: %q", name, got)
		}
		if got := second.UserNamespaces[0].Maps.UIDs; !cmp.Equal(got, second.Security.Spec.Users.UIDs) {
			t.Errorf("%s: maps %v", name, got)
		}
	}
	if diff := cmp.Diff(runtimes.Containerd, pause.RuntimeName); diff != "" {
		t.Error(diff)
	}
}

// TestMountsAtHostRoot has a container that was given no mount, whose only process is at the host's root directory.
func TestMountsAtHostRoot(t *testing.T) {
	t.Parallel()
	b := newBox(t, 1)
	b.link(t, initOf(0), "root", 1)
	c := &b.scan(t, Lean, nil).Containers[0]
	if gaps := security(c); c.Mounts != nil || len(gaps) != 1 {
		t.Errorf("mounts %+v, unread %q", c.Mounts, gaps)
	}
}

// TestMountsOfAnother has a container whose init process has another root directory.
func TestMountsOfAnother(t *testing.T) {
	t.Parallel()
	const chrooted = "650 612 0:77 /srv / rw - overlay overlay rw\n"
	crowd := strings.Repeat("613 612 0:80 / /proc rw - proc proc rw\n", maxMountInfo/39+1)
	// The host's root directory, mounted in the container.
	const host = "650 612 0:77 / / rw - ext4 /dev/vda rw\n651 650 0:5 / /proc rw - proc proc rw\n"
	tests := map[string]struct {
		init, others string
		want         bool
		gaps         []string
	}{
		"another's, init is in a mount": {host, scantest.OwnMounts, true, nil},
		"init's":                        {scantest.OwnMounts, chrooted, true, nil},
		"another's":                     {chrooted, scantest.OwnMounts, true, nil},
		"nobody's":                      {chrooted, chrooted, false, []string{"read: the mounts of 8 of its processes are not those of its mount namespace: each has another root directory"}},
		"more than are read":            {crowd, scantest.OwnMounts, false, []string{"limit: read the mounts of process 10000: mountinfo: larger than its cap of 1048576 bytes"}},
		"of another form":               {"x\n", scantest.OwnMounts, true, []string{"read: "}},
		"of a process that ended":       {"", scantest.OwnMounts, true, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, 20)
			b.containers[0].Security.Spec.Mounts = []inventory.Mount{{Source: "/srv/data", Point: "/data"}}
			for k := range 20 {
				text := test.others
				if k == 0 {
					text = test.init
				}
				b.write(t, initOf(0)+16*k, "mountinfo", text)
			}
			if test.init == "" {
				b.remove(t, initOf(0), "mountinfo")
			}
			c := &b.scan(t, Lean, nil).Containers[0]
			if (c.Mounts != nil) != test.want {
				t.Errorf("mounts %+v", c.Mounts)
			}
			gaps := security(c)
			if len(gaps) == 1 && len(test.gaps) == 1 && strings.HasPrefix(gaps[0], test.gaps[0]) {
				gaps = test.gaps
			}
			if diff := cmp.Diff(test.gaps, gaps); diff != "" {
				t.Errorf("unread (-want +got):\n%s", diff)
			}
		})
	}
}
