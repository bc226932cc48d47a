// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

// Namespaces of the security context in these tests.
const (
	hostUserNS, hostMntNS, hostUTSNS, hostCgroupNS = 5, 6, 7, 8
	podMounts, podUTS, podCgroup                   = 106, 107, 108
	podUsers, nestedUsers                          = 105, 205
)

// Capabilities of these tests.
const (
	everyCapability nsinspect.Capabilities = 1<<41 - 1

	netBind, netRaw, netAdmin, sysAdmin, sysPtrace nsinspect.Capabilities = 1 << 10, 1 << 13, 1 << 12, 1 << 21, 1 << 19
)

const allFields = nsinspect.FieldAmbient | nsinspect.FieldNoNewPrivileges | nsinspect.FieldSeccomp | nsinspect.FieldFilters

// secured is a snapshot of containers of which the security context was read.
func secured(containers ...snapshot.Container) *snapshot.Snapshot {
	s := seenBy(inventory.FromContainerd, containers...)
	for kind, ino := range map[nsinspect.Kind]uint64{nsinspect.User: hostUserNS, nsinspect.Mnt: hostMntNS, nsinspect.UTS: hostUTSNS, nsinspect.Cgroup: hostCgroupNS} {
		s.Host.Namespaces.Set(kind, nstest.ID(ino))
	}
	s.HostSecurity = &snapshot.HostSecurity{Bounding: everyCapability}
	return s
}

// told is what containerd tells a runtime of a pod that asks for nothing but a user: the default
// capabilities, also for a user that does not get them.
func told(uid uint32) *inventory.SecuritySpec {
	return &inventory.SecuritySpec{
		UID: uid, Groups: []uint32{0},
		Bounding: runtimes.DefaultCapabilities, Effective: runtimes.DefaultCapabilities, Permitted: runtimes.DefaultCapabilities,
		Masked: []string{"/proc/keys"}, Host: []nsinspect.Kind{nsinspect.User, nsinspect.Time},
	}
}

// of is a process's credentials as such a runtime makes them.
func of(uid uint32) snapshot.Credentials {
	c := snapshot.Credentials{Credentials: nsinspect.Credentials{
		UIDs: nsinspect.IDs{Real: uid, Effective: uid, Saved: uid, Filesystem: uid}, Groups: []uint32{0},
		Bounding: runtimes.DefaultCapabilities, Known: allFields,
	}}
	if uid == 0 {
		c.Permitted, c.Effective = runtimes.DefaultCapabilities, runtimes.DefaultCapabilities
	}
	return c
}

// member is a process in the pod's namespaces and the host's user namespace, with the credentials at
// an index.
func member(pid, set int) snapshot.Process {
	p := isolated(pid)
	for kind, ino := range map[nsinspect.Kind]uint64{nsinspect.User: hostUserNS, nsinspect.Mnt: podMounts, nsinspect.UTS: podUTS, nsinspect.Cgroup: podCgroup} {
		p.Groups[0].Namespaces.Set(kind, nstest.ID(ino))
	}
	p.Credentials = []snapshot.CredentialGroup{{Set: set, Threads: 1}}
	return p
}

// in moves a process into a namespace.
func in(p snapshot.Process, kind nsinspect.Kind, ino uint64) snapshot.Process {
	p.Groups = slices.Clone(p.Groups)
	p.Groups[0].Namespaces.Set(kind, nstest.ID(ino))
	return p
}

// boxed is a container with a process for each of some credentials, in a pod that asked for that.
func boxed(spec *inventory.SecuritySpec, credentials ...snapshot.Credentials) snapshot.Container {
	c := container("main", byPod())
	c.RuntimeName = "containerd"
	c.Security = &inventory.Security{Spec: spec, Request: &inventory.SecurityRequest{Groups: []uint32{0}}}
	c.Credentials, c.UserNamespace = credentials, nstest.ID(hostUserNS)
	c.Mounts = new(snapshot.Mounts)
	for i := range credentials {
		c.Processes = append(c.Processes, member(11+i, i))
	}
	return c
}

// TestUnjudged has what of a security context can't be judged: said once, whatever the checks.
func TestUnjudged(t *testing.T) {
	t.Parallel()
	const what = "its security context can't be judged: "
	denied := snapshot.Gap{Cause: snapshot.CauseDenied, Detail: "no right"}
	hung := snapshot.Gap{Cause: snapshot.CauseRuntime, Detail: "its shim does not answer"}
	tests := map[string]struct {
		change func(*snapshot.Snapshot, *snapshot.Container)
		want   []string
	}{
		"all was read": {func(*snapshot.Snapshot, *snapshot.Container) {}, nil},
		"no record":    {func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Security = nil }, []string{what + "its runtime spec is not known"}},
		"no record, and why": {func(_ *snapshot.Snapshot, c *snapshot.Container) {
			c.Security, c.Declared = nil, inventory.NoDeclaration("Podman")
		}, []string{what + "Podman"}},
		"no record, as a shim hangs": {func(_ *snapshot.Snapshot, c *snapshot.Container) {
			c.Security, c.Unread.Gaps = nil, []snapshot.Gap{hung}
		}, []string{hung.Detail}},
		"no record, and something else": {func(_ *snapshot.Snapshot, c *snapshot.Container) {
			c.Security, c.Unread.Gaps = nil, []snapshot.Gap{denied}
		}, []string{"no right", what + "its runtime spec is not known"}},
		"a request that can't be decoded": {func(_ *snapshot.Snapshot, c *snapshot.Container) {
			c.Security.Request, c.Security.Detail = nil, "bad JSON"
		}, []string{what + "bad JSON"}},
		"a spec that can't be decoded": {func(_ *snapshot.Snapshot, c *snapshot.Container) {
			c.Security.Spec, c.Security.Detail = nil, "bad spec"
		}, []string{what + "bad spec"}},
		"no credentials": {func(_ *snapshot.Snapshot, c *snapshot.Container) {
			c.Credentials = nil
			c.Processes[0].Credentials = nil
		}, []string{what + "the credentials of its processes were not read"}},
		"no credentials, and why": {func(_ *snapshot.Snapshot, c *snapshot.Container) {
			c.Credentials, c.Processes[0].Credentials, c.Unread.Security = nil, nil, []snapshot.Gap{denied}
		}, []string{"no right"}},
		"no mounts": {func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Mounts = nil }, []string{what + "its mounts were not read"}},
		"the host's mounts": {func(_ *snapshot.Snapshot, c *snapshot.Container) {
			c.Mounts = nil
			c.Security.Spec.Host = append(c.Security.Spec.Host, nsinspect.Mnt)
		}, nil},
		"no process": {func(_ *snapshot.Snapshot, c *snapshot.Container) {
			c.Processes, c.Credentials, c.Mounts = nil, nil, nil
		}, nil},
		"created, and the mounts not yet": {func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Mounts, c.Status = nil, inventory.Created }, nil},
		"not even created": {func(_ *snapshot.Snapshot, c *snapshot.Container) {
			c.Credentials, c.Processes[0].Credentials, c.Status = nil, nil, inventory.NoTask
		}, nil},
		"no containerd, and two containers": {func(s *snapshot.Snapshot, c *snapshot.Container) {
			c.Security = nil
			s.Inventory.Source, s.Containers = inventory.FromCgroups, append(s.Containers, *c)
		}, []string{"the security context of no container can be judged: there is no containerd to ask for what was declared"}},
		"no containerd, and no container": {func(s *snapshot.Snapshot, _ *snapshot.Container) {
			s.Inventory.Source, s.Containers = inventory.FromCgroups, nil
		}, nil},
		"more mounts than kept": {func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Mounts.MoreHost = 7 }, []string{"it has 7 mounts of the host's file systems beyond those that are looked at"}},
		"an old kernel": {func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Credentials[0].Known = 0 }, []string{
			"the kernel does not show no_new_privs, as Linux does since 4.10, so PrivilegeEscalation can't be judged",
			"the kernel does not show the seccomp mode of threads, so Seccomp can't be judged",
		}},
		"no security context was to be read": {func(s *snapshot.Snapshot, c *snapshot.Container) {
			s.HostSecurity, c.Security, c.Credentials, c.Processes[0].Credentials = nil, nil, nil, nil
		}, nil},
		"the host's user namespace": {func(s *snapshot.Snapshot, _ *snapshot.Container) {
			mounts, host := s.Host.Namespaces, nstest.Host()
			for _, kind := range []nsinspect.Kind{nsinspect.Mnt, nsinspect.UTS, nsinspect.Cgroup} {
				id, _ := mounts.Get(kind)
				host.Namespaces.Set(kind, id)
			}
			s.Host = host
		}, []string{"the host's user namespace could not be read, so no container can be compared with it"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := secured(boxed(told(405), of(405)))
			test.change(s, &s.Containers[0])
			var got []string
			for _, u := range Judge(s).Unknown {
				got = append(got, u.Detail)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestTrackerOfTheContext has a process that is root and should not be, and then is not seen any
// more, for several reasons. Posture neither begins nor ends.
func TestTrackerOfTheContext(t *testing.T) {
	t.Parallel()
	clean := func(change func(*snapshot.Snapshot, *snapshot.Container)) *snapshot.Snapshot {
		s := secured(boxed(told(405), of(405)))
		change(s, &s.Containers[0])
		return s
	}
	tests := map[string]struct {
		next  *snapshot.Snapshot
		ended []string
	}{
		"it is gone": {clean(func(*snapshot.Snapshot, *snapshot.Container) {}), []string{"UndeclaredRootUser"}},
		"credentials were not read": {clean(func(_ *snapshot.Snapshot, c *snapshot.Container) {
			c.Credentials, c.Processes[0].Credentials = nil, nil
		}), nil},
		"something was not read": {clean(func(_ *snapshot.Snapshot, c *snapshot.Container) {
			c.Unread.Security = []snapshot.Gap{{Cause: snapshot.CauseLimit}}
		}), nil},
		"a process was not read": {clean(func(_ *snapshot.Snapshot, c *snapshot.Container) {
			c.Unread.Gaps = []snapshot.Gap{{Cause: snapshot.CauseDenied}}
		}), nil},
		"the record was not read": {clean(func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Security = &inventory.Security{Detail: "x"} }), nil},
		"nothing was read":        {clean(func(s *snapshot.Snapshot, _ *snapshot.Container) { s.HostSecurity = nil }), nil},
		"no process is left":      {clean(func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Processes, c.Credentials = nil, nil }), []string{"UndeclaredRootUser"}},
		"the container is gone":   {secured(), []string{"UndeclaredRootUser"}},
		"the container is root's": {secured(boxed(told(0), of(0))), []string{"UndeclaredRootUser"}},
		"a second look does not see": {clean(func(_ *snapshot.Snapshot, c *snapshot.Container) {
			c.Credentials[0] = of(0)
			c.Processes[0].Credentials[0].Unconfirmed = inventory.IsRoot
		}), []string{"UndeclaredRootUser"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tracker Tracker
			first := tracker.Next(Judge(secured(boxed(told(405), of(0)))))
			if diff := cmp.Diff([]string{"UndeclaredRootUser"}, reasonsOf(first.Began)); diff != "" {
				t.Fatalf("began (-want +got):\n%s", diff)
			}
			if len(first.Posture) == 0 {
				t.Error("there is no posture")
			}
			next := tracker.Next(Judge(test.next))
			if diff := cmp.Diff(test.ended, reasonsOf(next.Ended)); diff != "" {
				t.Errorf("ended (-want +got):\n%s", diff)
			}
			if len(next.Began) > 0 {
				t.Errorf("%v began", reasonsOf(next.Began))
			}
		})
	}
}
