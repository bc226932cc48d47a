// SPDX-License-Identifier: Apache-2.0

// Package fakeproc makes directories that look like a procfs, for tests of what reads one.
package fakeproc

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Proc is a directory that looks like a procfs. The links below ns lead to regular
// files, one a namespace, as the kernel's lead to nsfs.
type Proc struct {
	t    testing.TB
	base string
}

// Process is a process of a fake procfs.
type Process struct {
	PID  int
	Comm string
	// Stat is the text behind the command; "" for that of a running process.
	Stat string
	// Status is the text of the status; there is no such file where it is "".
	Status string
	Cgroup string
	// NS names the namespaces of the leader by kind. A name below "forbidden/" can't be read by a
	// test that runs WithoutRights.
	NS map[string]string
	// Others are the threads besides the leader.
	Others []Thread
}

// Thread is a thread of a fake process.
type Thread struct {
	TID    int
	Stat   string
	Status string
	Cgroup string
	NS     map[string]string
}

// Texts of /proc/PID/stat behind the command.
const (
	// StatRest is what stands behind the flags, up to the time of the start.
	StatRest     = " 0 0 0 0 0 0 0 0 20 0 1 0 100"
	RunningStat  = "S 1 1 1 0 -1 4194560" + StatRest
	ZombieStat   = "Z 1 1 1 0 -1 4194316" + StatRest
	KthreaddStat = "S 0 0 0 0 -1 2129984" + StatRest
)

// New makes a procfs without processes, which is removed when the test ends.
func New(t testing.TB) *Proc {
	t.Helper()
	f := &Proc{t: t, base: t.TempDir()}
	forbidden := filepath.Join(f.base, "forbidden")
	f.Mkdir("proc")
	f.Mkdir("forbidden")
	t.Cleanup(func() { _ = os.Chmod(forbidden, 0o700) })
	return f
}

// Add makes a process, with the files that the kernel shows of one.
func (f *Proc) Add(process Process) {
	f.t.Helper()
	dir := filepath.Join("proc", strconv.Itoa(process.PID))
	leader := Thread{process.PID, process.Stat, process.Status, process.Cgroup, process.NS}
	f.files(dir, process.Comm, leader)
	for _, thread := range append([]Thread{leader}, process.Others...) {
		f.files(filepath.Join(dir, "task", strconv.Itoa(thread.TID)), process.Comm, thread)
	}
}

func (f *Proc) files(dir, comm string, thread Thread) {
	f.t.Helper()
	if thread.Stat == "" {
		thread.Stat = RunningStat
	}
	f.Write(dir+"/comm", comm+"\n")
	f.Write(dir+"/stat", fmt.Sprintf("%d (%s) %s\n", thread.TID, comm, thread.Stat))
	if thread.Status != "" {
		f.Write(dir+"/status", thread.Status)
	}
	f.Write(dir+"/cgroup", thread.Cgroup)
	f.Mkdir(dir + "/ns")
	for kind, name := range thread.NS {
		up := strings.Repeat("../", strings.Count(dir, "/")+2)
		if !strings.HasPrefix(name, "forbidden/") {
			name = "namespaces/" + name
		}
		f.Write(name, "")
		f.Link(up+name, dir+"/ns/"+kind)
	}
}

// Mkdir makes a directory, and those above it.
func (f *Proc) Mkdir(name string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Join(f.base, name), 0o755); err != nil {
		f.t.Fatal(err)
	}
}

// Write writes a file, in a directory that may not be there yet.
func (f *Proc) Write(name, text string) {
	f.t.Helper()
	f.Mkdir(filepath.Dir(name))
	if err := os.WriteFile(filepath.Join(f.base, name), []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// Link makes a symbolic link.
func (f *Proc) Link(target, name string) {
	f.t.Helper()
	if err := os.Symlink(target, filepath.Join(f.base, name)); err != nil {
		f.t.Fatal(err)
	}
}

// WithoutRights calls look without access to what is forbidden. Root gives up, on this thread, the
// capability to override the modes of files.
func (f *Proc) WithoutRights(look func()) {
	f.t.Helper()
	if err := os.Chmod(filepath.Join(f.base, "forbidden"), 0); err != nil {
		f.t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		look()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const nobody = 65534
	if err := unix.Setfsuid(nobody); err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = unix.Setfsuid(0) }()
	look()
}

// AllKinds names a namespace of each kind.
func AllKinds(prefix string) map[string]string {
	names := make(map[string]string)
	for _, kind := range [...]string{"net", "pid", "ipc", "user", "mnt", "uts", "cgroup", "time"} {
		names[kind] = prefix + "-" + kind
	}
	return names
}

// Remove removes a file, or a directory with all that is in it.
func (f *Proc) Remove(name string) {
	f.t.Helper()
	if err := os.RemoveAll(filepath.Join(f.base, name)); err != nil {
		f.t.Fatal(err)
	}
}

// Path returns the path of a file.
func (f *Proc) Path(name string) string { return filepath.Join(f.base, name) }

// Root returns the path of the procfs.
func (f *Proc) Root() string { return f.Path("proc") }

// Forbid replaces a file by a link to one that can't be reached WithoutRights.
func (f *Proc) Forbid(name string) {
	f.t.Helper()
	f.Remove(name)
	f.Link(strings.Repeat("../", strings.Count(name, "/"))+"forbidden/"+filepath.Base(name), name)
}
