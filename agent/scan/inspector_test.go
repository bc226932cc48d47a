// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// uid is the user of the containers in these tests.
const uid = 405

// box is a node with containers, each of processes from ten times its number on.
type box struct {
	fs         *nsinspect.FS
	containers []inventory.Container
	memory     *ContextCache
}

// newBox makes containers of so many processes each, which are all as their spec says.
func newBox(t *testing.T, processes ...int) *box {
	t.Helper()
	cgroups := make(map[int]string)
	b := new(box)
	for i, count := range processes {
		id := string(rune('a' + i))
		c := scantest.Named(id, inventory.Running, initOf(i))
		c.Security = scantest.Confined(uid)
		b.containers = append(b.containers, c)
		for k := range count {
			cgroups[initOf(i)+k*16] = c.CgroupsPath
		}
	}
	pids := make([]int, 0, len(cgroups))
	for pid := range cgroups {
		pids = append(pids, pid)
	}
	b.fs = scantest.Procfs(t, cgroups)
	for _, pid := range pids {
		scantest.Become(t, b.fs, pid, scantest.User(uid))
	}
	return b
}

// initOf returns the init process of a container. The others follow in steps of 16.
func initOf(container int) int { return 10_000 * (container + 1) }

// scan scans the box, without waiting. Again is called before the second look.
func (b *box) scan(t *testing.T, depth Depth, again func()) *snapshot.Snapshot {
	t.Helper()
	var snap *snapshot.Snapshot
	synctest.Test(t, func(t *testing.T) {
		var err error
		snap, err = New(Config{
			Procfs: b.fs, Source: scantest.Source{Listed: b.containers}, Depth: depth, Contexts: b.memory, Settle: DefaultSettle,
			Hosts: []nsinspect.HostCandidate{{Reference: nsinspect.ByPID1, PID: 1}},
			Progress: func(stage string) {
				if stage == "look again at what was not declared" && again != nil {
					again()
				}
			},
		}).Scan(t.Context())
		scantest.Must(t, err)
	})
	return snap
}

// write writes a file of a process.
func (b *box) write(t *testing.T, pid int, name, text string) {
	t.Helper()
	scantest.Must(t, os.WriteFile(filepath.Join(b.fs.Root(), fmt.Sprint(pid), name), []byte(text), 0o600))
}

// link makes a file of a process a link to the one of another.
func (b *box) link(t *testing.T, pid int, name string, to int) {
	t.Helper()
	target, err := os.Readlink(filepath.Join(b.fs.Root(), fmt.Sprint(to), name))
	scantest.Must(t, err)
	for _, dir := range []string{"", fmt.Sprintf("task/%d/", pid)} {
		if dir != "" && name == "root" {
			continue
		}
		path := filepath.Join(b.fs.Root(), fmt.Sprint(pid), dir+name)
		scantest.Must(t, os.Remove(path))
		scantest.Must(t, os.Symlink(target, path))
	}
}

// weaker puts the ways in which processes of a container are weaker that were confirmed into words.
func weaker(c *snapshot.Container) []string {
	names := map[inventory.Weakness]string{
		inventory.IsRoot: "root", inventory.OtherUser: "other user", inventory.MoreCapabilities: "more capabilities",
		inventory.GainsPrivileges: "gains privileges", inventory.NewPrivileges: "new privileges", inventory.NoFilter: "no filter",
	}
	var found []string
	for i := range c.Processes {
		process := &c.Processes[i]
		for _, group := range process.Credentials {
			ways := c.Security.Spec.Weaker(&c.Credentials[group.Set].Credentials, c.IsNested(process, &nsinspect.HostReference{})) &^ group.Unconfirmed
			for way, name := range names {
				if ways.Has(way) {
					found = append(found, fmt.Sprintf("%d %v %s", process.PID, group.TIDs, name))
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

func security(c *snapshot.Container) []string {
	var gaps []string
	for _, gap := range c.Unread.Security {
		gaps = append(gaps, fmt.Sprintf("%s: %s", gap.Cause, gap.Detail))
	}
	return gaps
}

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
		"it stays":                       {first: []nsinspect.Credentials{root}, want: []string{"10000 [] root"}},
		"a set-user-ID program ends":     {first: []nsinspect.Credentials{root}, gone: true, transient: 1},
		"it drops to the user":           {first: []nsinspect.Credentials{root}, second: []nsinspect.Credentials{user}, transient: 1},
		"it is weak in another way":      {first: []nsinspect.Credentials{root}, second: []nsinspect.Credentials{gained}, transient: 1},
		"it stays weak in one of two":    {first: []nsinspect.Credentials{unfiltered}, second: []nsinspect.Credentials{{UIDs: user.UIDs, Bounding: user.Bounding, NoNewPrivileges: true}}, want: []string{"10000 [] no filter"}},
		"tighter is not weaker":          {first: []nsinspect.Credentials{tighter}},
		"one thread is root":             {first: []nsinspect.Credentials{user, root, user}, want: []string{"10000 [10001] root"}},
		"one thread is tighter":          {first: []nsinspect.Credentials{user, tighter, user}},
		"another thread is it then":      {first: []nsinspect.Credentials{user, root, user}, second: []nsinspect.Credentials{user, user, root}, transient: 1},
		"created, and not yet started":   {first: []nsinspect.Credentials{unfiltered}, status: inventory.Created},
		"capabilities of its own":        {first: []nsinspect.Credentials{gained}, want: []string{"10000 [] gains privileges"}},
		"capabilities in its own users":  {first: []nsinspect.Credentials{gained}, nested: true},
		"root in its own user namespace": {first: []nsinspect.Credentials{root}, nested: true, want: []string{"10000 [] root"}},
		"named like the runtime's own":   {first: []nsinspect.Credentials{root}, command: "runc:[2:INIT]", want: []string{"10000 [] root"}},
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
						scantest.Must(t, os.RemoveAll(filepath.Join(b.fs.Root(), fmt.Sprint(pid))))
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

// TestManySuspects has a container of which hundreds of processes are weaker. It does not take the
// second look from another, and only what was looked at twice counts.
func TestManySuspects(t *testing.T) {
	t.Parallel()
	const many = 100
	b := newBox(t, many, 1)
	root, other := scantest.User(uid), scantest.User(uid+1)
	root.UIDs = nsinspect.IDs{}
	for k := range many {
		scantest.Become(t, b.fs, initOf(0)+16*k, root)
	}
	scantest.Become(t, b.fs, initOf(1), root)
	check := func(of string, want []string) {
		t.Helper()
		snap := b.scan(t, Lean, nil)
		if got := weaker(&snap.Containers[0]); len(got) != maxSuspectsOfOne {
			t.Errorf("%s: %d processes are confirmed, want %d", of, len(got), maxSuspectsOfOne)
		}
		if got := weaker(&snap.Containers[1]); len(got) != 1 {
			t.Errorf("%s: of the other container %q", of, got)
		}
		if diff := cmp.Diff(want, security(&snap.Containers[0])); diff != "" {
			t.Errorf("%s: unread (-want +got):\n%s", of, diff)
		}
	}
	check("all in the same way", nil)
	scantest.Become(t, b.fs, initOf(0)+16*(many-1), other)
	b.link(t, initOf(0)+16*(many-1), "ns/user", 1) // In another user namespace it may be any user.
	check("one in another way", []string{"limit: more of its processes are weaker than the runtime was told than are looked at twice"})
}

// TestHandlesOfOneContainer has suspects of containers, of which one has more than all may have.
func TestHandlesOfOneContainer(t *testing.T) {
	t.Parallel()
	s := &settler{kept: make(map[*snapshot.Container]int)}
	hostile, quiet := new(snapshot.Container), new(snapshot.Container)
	s.kept[hostile] = maxSuspectsOfOne
	if s.hasRoom(hostile, maxSuspectsOfOne, 0) || !s.hasRoom(quiet, maxSuspectsOfOne, 0) {
		t.Error("a container with many suspects has room for more, or another has none")
	}
	if !s.hasRoom(quiet, maxSuspects, 0) {
		t.Error("many containers with suspects take the second look from another")
	}
	s.kept[quiet] = fewSuspects
	if s.hasRoom(quiet, maxSuspects, 0) {
		t.Error("there is no end to suspects")
	}
}

// TestExcess has processes with more groups than are read.
func TestExcess(t *testing.T) {
	t.Parallel()
	b := newBox(t, 40, 1)
	crowd := scantest.User(uid)
	for i := range 20_000 {
		crowd.Groups = append(crowd.Groups, uint32(1_000_000+i))
	}
	for k := range 20 {
		scantest.Become(t, b.fs, initOf(0)+16*k, crowd)
	}
	snap := b.scan(t, Lean, nil)
	hostile, quiet := &snap.Containers[0], &snap.Containers[1]
	read := 0
	for _, process := range hostile.Processes {
		read += len(process.Credentials)
	}
	if len(hostile.Processes) != 40 || read != 0 || len(security(hostile)) != maxExcess/(hugeStatus-usualStatus)+1 {
		t.Errorf("%d processes, credentials of %d, unread %q", len(hostile.Processes), read, security(hostile))
	}
	if len(hostile.Unread.Gaps) > 0 || len(quiet.Processes[0].Credentials) != 1 || security(quiet) != nil {
		t.Errorf("unread %q, and of the other %q", hostile.Unread.Gaps, security(quiet))
	}
}

// TestCapsOfSets has more credentials than are kept.
func TestCapsOfSets(t *testing.T) {
	t.Parallel()
	of := newContext(new(snapshot.Container))
	credentials := scantest.Root()
	for i := range maxSets + 1 {
		credentials.UIDs.Real = uint32(i)
		set, ok := of.set(&credentials, nil)
		if ok != (i < maxSets) || ok && set != i {
			t.Fatalf("set %d: %d, %t", i, set, ok)
		}
	}
	credentials.UIDs.Real = 7
	if set, ok := of.set(&credentials, nil); !ok || set != 7 {
		t.Errorf("one that is there: %d, %t", set, ok)
	}
	if len(security(of.container)) != 1 {
		t.Errorf("unread %q", security(of.container))
	}
	of = newContext(new(snapshot.Container))
	credentials.Groups = make([]uint32, maxGroupIDs/2)
	for i := range 3 {
		credentials.UIDs.Real = uint32(i)
		if _, ok := of.set(&credentials, nil); ok != (i < 2) {
			t.Errorf("groups of set %d are kept: %t", i, ok)
		}
	}
	credentials.Groups[0] = 1 // The reader's memory, which it uses again.
	if of.container.Credentials[0].Groups[0] != 0 {
		t.Error("the groups that are kept change with the reader's")
	}
}

// TestLabelsTellSetsApart has threads that differ in their label only.
func TestLabelsTellSetsApart(t *testing.T) {
	t.Parallel()
	of := newContext(new(snapshot.Container))
	credentials := scantest.Root()
	for i, label := range []*nsinspect.Label{nil, {Module: nsinspect.AppArmor, Name: "a"}, {Module: nsinspect.AppArmor, Name: "b"}} {
		for range 2 {
			if set, ok := of.set(&credentials, label); !ok || set != i {
				t.Errorf("label %v: %d, %t, want %d", label, set, ok, i)
			}
		}
	}
}

// TestSandboxed has a container with a kernel of its own.
func TestSandboxed(t *testing.T) {
	t.Parallel()
	b := newBox(t, 3)
	b.containers[0].Runtime = "io.containerd.runsc.v1"
	snap := b.scan(t, Full, nil)
	c := &snap.Containers[0]
	if len(c.Credentials) > 0 || c.Mounts != nil || len(c.Processes) != 3 || len(c.Unread.Security) != 1 || c.Unread.Security[0].Cause != snapshot.CauseRuntime {
		t.Errorf("container %+v", c)
	}
}

// TestStartedDuringTheScan has a container that becomes known after its processes were read: no
// second look was taken at them.
func TestStartedDuringTheScan(t *testing.T) {
	t.Parallel()
	b := newBox(t, 1, 1)
	scantest.Become(t, b.fs, initOf(1), scantest.Root())
	source := scantest.Source{Listed: b.containers[:1], ByID: map[string]inventory.Container{b.containers[1].ID: b.containers[1]}}
	snap, err := New(Config{Procfs: b.fs, Source: source, Depth: Lean, Hosts: []nsinspect.HostCandidate{{Reference: nsinspect.ByPID1, PID: 1}}}).Scan(t.Context())
	scantest.Must(t, err)
	c := &snap.Containers[1]
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
	tests := map[string]struct {
		security   *inventory.Security
		init, lean bool
	}{
		"its init": {plain, true, true}, "another, and it may not": {plain, false, false}, "another, with a mount of it": {mounted, false, true},
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
				scantest.Must(t, os.Remove(filepath.Join(b.fs.Root(), "10000/mountinfo")))
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
