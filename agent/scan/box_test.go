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

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// pid1 is the host in these tests.
func pid1() []nsinspect.HostCandidate {
	return []nsinspect.HostCandidate{{Reference: nsinspect.ByPID1, PID: 1}}
}

// halfway is a random number of no surprise: a scan looks again each half of the settling time.
func halfway() float64 { return 0.5 }

// uid is the user of the containers in these tests.
const uid = 405

// box is a node with containers, each of processes from ten times its number on.
type box struct {
	fs         *nsinspect.FS
	containers []inventory.Container
	// byID are those that containerd knows when it is asked again.
	byID   map[string]inventory.Container
	memory *ContextCache
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
	cgroups[runtimePID], cgroups[shimPID] = hostCgroup, hostCgroup
	b.fs = scantest.Procfs(t, cgroups)
	for _, pid := range pids {
		scantest.Become(t, b.fs, pid, scantest.User(uid))
	}
	return b
}

// addRuntime starts a shim and a runtime on the host, whose program is the file "runc".
func (b *box) addRuntime(t *testing.T) {
	t.Helper()
	scantest.Must(t, os.Mkdir(b.program(""), 0o755))
	scantest.Must(t, os.WriteFile(b.program("runc"), []byte("runc"), 0o600))
	addRuntime(t, b.fs, b.program("runc"), b.program("shim"))
}

// program returns the path of a file that processes may execute.
func (b *box) program(name string) string {
	return filepath.Join(b.fs.Root(), "bin", name)
}

// initOf returns the init process of a container. The others follow in steps of 16.
func initOf(container int) int { return 10_000 * (container + 1) }

// startLate has the containers from this one on started when the list was made already.
func (b *box) startLate(from int) {
	b.byID = make(map[string]inventory.Container)
	for _, container := range b.containers[from:] {
		b.byID[container.ID] = container
	}
	b.containers = b.containers[:from]
}

// scan scans the box, without waiting. Again is called before the second look.
func (b *box) scan(t *testing.T, depth Depth, again func()) *snapshot.Snapshot {
	t.Helper()
	var snap *snapshot.Snapshot
	synctest.Test(t, func(t *testing.T) {
		var err error
		snap, err = New(Config{
			Procfs: b.fs, Source: scantest.Source{Listed: b.containers, ByID: b.byID}, Hosts: pid1(),
			Depth: depth, Contexts: b.memory, Settle: DefaultSettle, Random: halfway,
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

// link makes a file of a process a link to what that of another leads to, and returns what it led to
// before.
func (b *box) link(t *testing.T, pid int, name string, to int) string {
	t.Helper()
	target, err := os.Readlink(filepath.Join(b.fs.Root(), fmt.Sprint(to), name))
	scantest.Must(t, err)
	return b.relink(t, pid, name, target)
}

// relink makes a file of a process a link to another file.
func (b *box) relink(t *testing.T, pid int, name, target string) string {
	t.Helper()
	before := ""
	for _, path := range b.paths(pid, name) {
		var err error
		before, err = os.Readlink(path)
		scantest.Must(t, err)
		scantest.Must(t, os.Remove(path))
		scantest.Must(t, os.Symlink(target, path))
	}
	return before
}

// enterRoot gives a thread of a process the root directory of another process.
func (b *box) enterRoot(t *testing.T, pid, tid, of int) {
	t.Helper()
	target, err := os.Readlink(filepath.Join(b.fs.Root(), fmt.Sprint(of), "root"))
	scantest.Must(t, err)
	name := fmt.Sprintf("task/%d/root", tid)
	b.remove(t, pid, name) // If it is there.
	scantest.Must(t, os.Symlink(target, b.paths(pid, name)[0]))
}

// paths returns where a file of a process is: that of a namespace also is in the directory of the
// leader.
func (b *box) paths(pid int, name string) []string {
	dir := filepath.Join(b.fs.Root(), fmt.Sprint(pid))
	paths := []string{filepath.Join(dir, name)}
	if strings.HasPrefix(name, "ns/") {
		paths = append(paths, filepath.Join(dir, "task", fmt.Sprint(pid), name))
	}
	return paths
}

// remove takes a file of a process away.
func (b *box) remove(t *testing.T, pid int, name string) {
	t.Helper()
	for _, path := range b.paths(pid, name) {
		scantest.Must(t, os.RemoveAll(path))
	}
}

// label has the threads of a process confined so.
func (b *box) label(t *testing.T, pid int, label string) {
	t.Helper()
	dir := filepath.Join(b.fs.Root(), fmt.Sprint(pid))
	threads, err := filepath.Glob(dir + "/task/*")
	scantest.Must(t, err)
	for _, of := range append(threads, dir) {
		scantest.Must(t, os.MkdirAll(of+"/attr/apparmor", 0o755))
		scantest.Must(t, os.WriteFile(of+"/attr/apparmor/current", []byte(label+"\n"), 0o600))
	}
}

// weaker puts the ways in which processes of a container are weaker that were confirmed into words.
func weaker(c *snapshot.Container) []string {
	names := map[inventory.Weakness]string{
		inventory.IsRoot: "root", inventory.OtherUser: "other user", inventory.MoreCapabilities: "more capabilities",
		inventory.GainsPrivileges: "gains privileges", inventory.NewPrivileges: "new privileges", inventory.NoFilter: "no filter",
		inventory.OtherGroups: "other groups",
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
