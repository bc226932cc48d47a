// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
)

// TestStrays has a process that is in no cgroup of its container, or in another's, and the signs by
// which it is known whose it is. Containers a and b have process 20 for a shim, and c has 30.
func TestStrays(t *testing.T) {
	t.Parallel()
	const a, b, c, host = 10_000, 20_000, 30_000, 1
	const stray = 500
	tests := map[string]struct {
		// cgroup, parent and the namespaces are the stray's: that of a container's init process, or 1.
		cgroup                string
		parent                int
		pids, mounts          int
		hostPID, leavesItself bool
		want                  []string
	}{
		"a child":                                             {"/", a, a, a, false, false, []string{"a 500 left"}},
		"a child with the host's mounts":                      {"/", a, a, host, false, false, []string{"a 500 left"}},
		"a child in another's cgroup":                         {"/kubepods/" + scantest.HexID("c"), a, a, a, false, false, []string{"a 500 left"}},
		"a child in a cgroup like another's":                  {"/docker/" + scantest.HexID("d"), a, a, a, false, false, []string{"a 500 left"}},
		"a child in a cgroup below":                           {"/kubepods/" + scantest.HexID("a") + "/below", a, a, a, false, false, []string{"a 500"}},
		"a child in a PID namespace below":                    {"/", a, stray, a, false, false, []string{"a 500 left"}},
		"an orphan of the shim":                               {"/", 20, a, host, false, false, []string{"a 500 left"}},
		"an orphan of a shim with two containers":             {"/", 20, b, b, false, false, []string{"b 500 left"}},
		"another container's with the PID namespace and shim": {"/docker/" + scantest.HexID("d"), 20, a, stray, false, false, []string{" 500"}},
		"in another's cgroup, with mounts of its own":         {"/kubepods/" + scantest.HexID("c"), a, a, stray, false, false, []string{"a unknown (cgroup)", "c 500", "c unknown (cgroup)"}},
		"of an admin":                                         {"/", host, a, a, false, false, nil},
		"of a runtime, which the shim has started":            {"/", 40, a, a, false, false, nil},
		"of another container's, which has entered":           {"/kubepods/" + scantest.HexID("c"), c, a, a, false, false, []string{"c 500"}},
		"of another container's, which has entered and left":  {"/", c, a, a, false, false, []string{"c 500 left"}},
		"in the host's PID namespace":                         {"/", c, host, host, true, false, []string{"c 500 left"}},
		"in the host's PID namespace, an orphan":              {"/", 30, host, c, true, false, []string{"c 500 left"}},
		"in the host's PID namespace, of the shim":            {"/", 30, host, host, true, false, nil},
		"in the host's PID namespace, of an admin":            {"/", host, host, c, true, false, nil},
		"in the host's PID namespace, in another's cgroup":    {"/kubepods/" + scantest.HexID("a"), c, host, c, true, false, []string{"c 500 left"}},
		"of the host, as most on a node are":                  {"/", host, host, host, true, false, nil},
		"a child of an init process that has left":            {"/", a, a, a, false, true, []string{"a 10000 left", "a 500 left"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cgroups := map[int]string{20: "/system.slice/containerd.service", 30: "/system.slice/containerd.service", 40: "/system.slice/containerd.service", stray: test.cgroup}
			x := &box{}
			for i, id := range []string{"a", "b", "c"} {
				container := scantest.Named(id, inventory.Running, initOf(i))
				x.containers = append(x.containers, container)
				cgroups[initOf(i)] = container.CgroupsPath
			}
			if test.leavesItself {
				cgroups[a] = "/"
				x.byID = map[string]inventory.Container{x.containers[0].ID: x.containers[0]}
			}
			x.fs = scantest.Procfs(t, cgroups)
			run := func(pid, parent int) { scantest.Run(t, x.fs, pid, parent, time.Hour, "program", "/program") }
			for pid, parent := range map[int]int{host: 0, 20: host, 30: host, 40: 20, a: 20, b: 20, c: 30, stray: test.parent} {
				run(pid, parent)
			}
			for _, pid := range []int{20, 30, 40} {
				x.link(t, pid, "ns/pid", host)
				x.link(t, pid, "ns/mnt", host)
			}
			if test.hostPID {
				x.link(t, c, "ns/pid", host)
			}
			x.link(t, stray, "ns/pid", test.pids)
			x.link(t, stray, "ns/mnt", test.mounts)
			snap := x.scan(t, Namespaces, nil)
			var got []string
			for _, container := range snap.Containers {
				for _, process := range container.Processes {
					line := fmt.Sprintf("%s %d", container.Name, process.PID)
					if process.Left {
						line += " left"
					}
					if process.Left || process.PID == stray {
						got = append(got, line)
					}
				}
				for _, gap := range container.Unread.Gaps {
					got = append(got, fmt.Sprintf("%s unknown (%s)", container.Name, gap.Cause))
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
