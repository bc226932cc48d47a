// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// The processes of an arrival: a runtime, a shim and a container's init process and one more, which is
// in the host's network.
const (
	runtimePID = 20
	shimPID    = 21
	initPID    = 40
	comerPID   = 42
)

// programs are files that processes execute.
type programs struct{ runc, crun, memory, sameSize, shell string }

func newPrograms(t *testing.T) programs {
	t.Helper()
	dir := t.TempDir()
	p := programs{runc: dir + "/runc", crun: dir + "/crun", sameSize: dir + "/other", shell: dir + "/shell"}
	scantest.Must(t, os.WriteFile(p.runc, []byte("runc"), 0o600))
	scantest.Must(t, os.WriteFile(p.crun, []byte("crun"), 0o600))
	scantest.Must(t, os.WriteFile(p.sameSize, []byte("RUNC"), 0o600))
	scantest.Must(t, os.WriteFile(p.shell, []byte("shell"), 0o600))
	fd, err := unix.MemfdCreate("runc_cloned:/proc/self/exe", 0)
	scantest.Must(t, err)
	memory := os.NewFile(uintptr(fd), "memory")
	t.Cleanup(func() { scantest.Must(t, memory.Close()) })
	_, err = memory.WriteString("runc")
	scantest.Must(t, err)
	p.memory = fmt.Sprintf("/proc/self/fd/%d", fd)
	return p
}

// arrivalNode is a node on which a process is in a container's cgroup and the host's network. It is
// runc's own, unless it is given another parent or program.
func arrivalNode(t *testing.T, files programs) *nsinspect.FS {
	t.Helper()
	container := "/docker/" + scantest.HexID("a")
	fs := scantest.Procfs(t, map[int]string{runtimePID: hostCgroup, shimPID: hostCgroup, initPID: container, comerPID: container})
	addRuntime(t, fs, files.runc, files.shell)
	leaveNetwork(t, fs, initPID)
	scantest.Run(t, fs, initPID, shimPID, time.Minute, "sh", files.shell)
	scantest.Run(t, fs, comerPID, runtimePID, 0, "6", files.memory)
	return fs
}

// hostCgroup is the cgroup of the host's processes.
const hostCgroup = "/system.slice/containerd.service"

// addRuntime starts a shim and a runtime on the host.
func addRuntime(t *testing.T, fs *nsinspect.FS, runc, shim string) {
	t.Helper()
	for _, pid := range []int{runtimePID, shimPID} {
		scantest.BecomeHost(t, fs, pid)
	}
	scantest.Run(t, fs, runtimePID, shimPID, time.Minute, "runc", runc)
	scantest.Run(t, fs, shimPID, 1, time.Minute, "containerd-shim", shim)
}

// leaveNetwork gives a process a network of its own.
func leaveNetwork(t *testing.T, fs *nsinspect.FS, pid int) {
	t.Helper()
	own := filepath.Join(t.TempDir(), "net")
	scantest.Must(t, os.WriteFile(own, nil, 0o600))
	dir := filepath.Join(fs.Root(), fmt.Sprint(pid))
	for _, link := range []string{dir + "/ns/net", fmt.Sprintf("%s/task/%d/ns/net", dir, pid)} {
		scantest.Must(t, os.Remove(link))
		scantest.Must(t, os.Symlink(own, link))
	}
}

func arrivalConfig(fs *nsinspect.FS) Config {
	return Config{Procfs: fs, Settle: DefaultSettle, Hosts: pid1(), Random: halfway}
}

// run is what a process executes, and whose child it is.
type run struct {
	pid, parent   int
	age           time.Duration
	command, file string
}

// TestArrival has processes of a container that are in the host's network.
func TestArrival(t *testing.T) {
	t.Parallel()
	const young = patience / 2
	files := newPrograms(t)
	tests := map[string]struct {
		runs []run
		want arrival
	}{
		"runc's, in memory":     {nil, arriving},
		"runc's, the same file": {[]run{{comerPID, runtimePID, young, "runc", files.runc}}, arriving},
		"crun's, by the name of the file": {[]run{
			{runtimePID, shimPID, time.Minute, "6", files.crun}, {comerPID, runtimePID, young, "6", files.crun},
		}, arriving},
		"runc's, for too long":    {[]run{{comerPID, runtimePID, 2 * patience, "runc", files.runc}}, late},
		"the program, runc waits": {[]run{{comerPID, runtimePID, young, "runc", files.shell}}, arrived},
		"another of the size":     {[]run{{comerPID, runtimePID, young, "runc:[1:CHILD]", files.sameSize}}, arrived},
		"named like it":           {[]run{{comerPID, initPID, young, "runc:[1:CHILD]", files.shell}}, foreign},
		"a copy of runc": {[]run{
			{initPID, shimPID, young, "runc", files.memory}, {comerPID, initPID, young, "runc", files.memory},
		}, foreign},
		"an orphan":                 {[]run{{comerPID, shimPID, young, "runc:[1:CHILD]", files.memory}}, arrived},
		"its parent is not visible": {[]run{{comerPID, 0, young, "runc", files.runc}}, arrived},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := arrivalNode(t, files)
			for _, run := range test.runs {
				scantest.Run(t, fs, run.pid, run.parent, run.age, run.command, run.file)
			}
			if got := arrivalOf(t, fs); got != test.want {
				t.Errorf("arrival %d, want %d", got, test.want)
			}
		})
	}
}

// TestArrivalOfDoubtful has a runtime that has left the host, and a process of which nothing can be read.
func TestArrivalOfDoubtful(t *testing.T) {
	t.Parallel()
	files := newPrograms(t)
	fs := arrivalNode(t, files)
	dir := filepath.Join(fs.Root(), fmt.Sprint(runtimePID))
	scantest.Must(t, os.Remove(dir+"/ns"))
	scantest.Must(t, os.Symlink(filepath.Join(fs.Root(), fmt.Sprint(initPID), "ns"), dir+"/ns"))
	if got := arrivalOf(t, fs); got != foreign {
		t.Errorf("arrival %d of the child of a runc with other mounts", got)
	}
	scantest.Must(t, os.WriteFile(filepath.Join(fs.Root(), fmt.Sprint(comerPID), "stat"), []byte("?"), 0o600))
	if got := arrivalOf(t, fs); got != undecided {
		t.Errorf("arrival %d of a process with a malformed stat", got)
	}
}

// arrivalOf tells the arrival of the comer.
func arrivalOf(t *testing.T, fs *nsinspect.FS) arrival {
	t.Helper()
	config := arrivalConfig(fs)
	host, err := fs.Host(nil, config.Hosts...)
	scantest.Must(t, err)
	defer host.Close()
	process, err := fs.Open(comerPID)
	scantest.Must(t, err)
	defer process.Close()
	arrivals := arrivals{node: newNode(&config, host, nil, wholeNode), daemons: config.Hosts}
	return arrivals.of(process)
}

// TestWaitForArrival has a runtime's own process that takes long to leave the host's network, as on a
// busy node, or never does.
func TestWaitForArrival(t *testing.T) {
	t.Parallel()
	for name, enters := range map[string]bool{"it enters": true, "it stays": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := arrivalNode(t, newPrograms(t))
			synctest.Test(t, func(t *testing.T) {
				if enters {
					time.AfterFunc(patience/2, func() { leaveNetwork(t, fs, comerPID) })
				}
				snap, err := New(arrivalConfig(fs)).Scan(t.Context())
				scantest.Must(t, err)
				if findings := audit.Judge(snap).Findings; len(findings) > 0 {
					t.Errorf("findings %+v", findings)
				}
				unknown := len(snap.Containers[0].Unread.Gaps) > 0
				if unknown == enters || unknown && snap.Containers[0].Unread.Gaps[0].Cause != snapshot.CauseUnsettled {
					t.Errorf("unknown %+v", snap.Containers[0].Unread.Gaps)
				}
				if took := snap.Duration; enters == (took >= patience) || took > patience+2*DefaultSettle {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}
