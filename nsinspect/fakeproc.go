package nsinspect

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

// fakeProc is a directory that looks like a procfs. The links below ns lead to regular
// files, one a namespace, as the kernel's lead to nsfs.
type fakeProc struct {
	t    testing.TB
	base string
}

// fakeProcess is a process of a fake procfs.
type fakeProcess struct {
	pid  int
	comm string
	// stat is the text behind the command; "" for that of a running process.
	stat   string
	cgroup string
	// ns names the namespaces of the leader by kind. A name below "forbidden/" can't be read by a
	// test that runs withoutRights.
	ns map[string]string
	// others are the threads besides the leader.
	others []fakeThread
}

type fakeThread struct {
	tid    int
	stat   string
	cgroup string
	ns     map[string]string
}

const (
	// statRest is what stands behind the flags, up to the time of the start.
	statRest     = " 0 0 0 0 0 0 0 0 20 0 1 0 100"
	runningStat  = "S 1 1 1 0 -1 4194560" + statRest
	zombieStat   = "Z 1 1 1 0 -1 4194316" + statRest
	kthreaddStat = "S 0 0 0 0 -1 2129984" + statRest
)

func newFakeProc(t testing.TB) *fakeProc {
	t.Helper()
	f := &fakeProc{t: t, base: t.TempDir()}
	forbidden := filepath.Join(f.base, "forbidden")
	f.mkdir("proc")
	f.mkdir("forbidden")
	t.Cleanup(func() { _ = os.Chmod(forbidden, 0o700) })
	return f
}

// add makes a process, with the files that the kernel shows of one.
func (f *fakeProc) add(process fakeProcess) {
	f.t.Helper()
	dir := filepath.Join("proc", strconv.Itoa(process.pid))
	leader := fakeThread{process.pid, process.stat, process.cgroup, process.ns}
	f.files(dir, process.comm, leader)
	for _, thread := range append([]fakeThread{leader}, process.others...) {
		f.files(filepath.Join(dir, "task", strconv.Itoa(thread.tid)), process.comm, thread)
	}
}

func (f *fakeProc) files(dir, comm string, thread fakeThread) {
	f.t.Helper()
	if thread.stat == "" {
		thread.stat = runningStat
	}
	f.write(dir+"/comm", comm+"\n")
	f.write(dir+"/stat", fmt.Sprintf("%d (%s) %s\n", thread.tid, comm, thread.stat))
	f.write(dir+"/cgroup", thread.cgroup)
	f.mkdir(dir + "/ns")
	for kind, name := range thread.ns {
		up := strings.Repeat("../", strings.Count(dir, "/")+2)
		if !strings.HasPrefix(name, "forbidden/") {
			name = "namespaces/" + name
		}
		f.write(name, "")
		f.link(up+name, dir+"/ns/"+kind)
	}
}

func (f *fakeProc) mkdir(name string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Join(f.base, name), 0o755); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakeProc) write(name, text string) {
	f.t.Helper()
	f.mkdir(filepath.Dir(name))
	if err := os.WriteFile(filepath.Join(f.base, name), []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakeProc) link(target, name string) {
	f.t.Helper()
	if err := os.Symlink(target, filepath.Join(f.base, name)); err != nil {
		f.t.Fatal(err)
	}
}

// withoutRights runs a look at the fake procfs to which what is forbidden is denied. For
// root that takes giving up, on this thread, the rights to pass by the files' modes.
func (f *fakeProc) withoutRights(look func()) {
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

// allKinds names a namespace of each kind.
func allKinds(prefix string) map[string]string {
	names := make(map[string]string)
	for _, kind := range [...]string{"net", "pid", "ipc", "user", "mnt", "uts", "cgroup", "time"} {
		names[kind] = prefix + "-" + kind
	}
	return names
}

func (f *fakeProc) remove(name string) {
	f.t.Helper()
	if err := os.RemoveAll(filepath.Join(f.base, name)); err != nil {
		f.t.Fatal(err)
	}
}

// path returns the path of a file.
func (f *fakeProc) path(name string) string { return filepath.Join(f.base, name) }

// root returns the path of the procfs.
func (f *fakeProc) root() string { return f.path("proc") }

// forbid replaces a file by a link to one that can't be reached withoutRights.
func (f *fakeProc) forbid(name string) {
	f.t.Helper()
	f.remove(name)
	f.link(strings.Repeat("../", strings.Count(name, "/"))+"forbidden/"+filepath.Base(name), name)
}
