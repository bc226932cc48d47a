// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// A process made with one new namespace differs from its parent in that one.
func TestCloneFlags(t *testing.T) {
	fs := openProcfs(t)
	own := namespacesOf(t, fs, os.Getpid())
	tests := map[nsinspect.Kind]launchOptions{
		nsinspect.Net:    {flags: unix.CLONE_NEWNET},
		nsinspect.PID:    {flags: unix.CLONE_NEWPID},
		nsinspect.IPC:    {flags: unix.CLONE_NEWIPC},
		nsinspect.User:   {flags: unix.CLONE_NEWUSER},
		nsinspect.Mnt:    {flags: unix.CLONE_NEWNS},
		nsinspect.UTS:    {flags: unix.CLONE_NEWUTS},
		nsinspect.Cgroup: {flags: unix.CLONE_NEWCGROUP},
		// Go starts processes with vfork, which older kernels refuse into another time
		// namespace.
		nsinspect.Time: {through: []string{"unshare", "--time", "--fork"}},
	}
	for kind, options := range tests {
		t.Run(kind.String(), func(t *testing.T) {
			options.role = role{Do: "block"}
			p := launch(t, options)
			pid := p.number()
			if kind != nsinspect.Time {
				pid = p.pid // What it prints is the number in its own namespace.
			}
			namespaces := namespacesOf(t, fs, pid)
			for _, other := range nsinspect.Kinds() {
				same := idOf(t, namespaces, other) == idOf(t, own, other)
				if same == (other == kind) {
					t.Errorf("with a new %s namespace, the same %s namespace: %t", kind, other, same)
				}
			}
			survey := surveyOf(t, fs, pid, nsinspect.Kinds()...)
			if len(survey.Groups) != 1 || !survey.Groups[0].Namespaces.Equal(namespaces) || survey.Groups[0].TIDs != nil {
				t.Errorf("survey %+v of a process that is in %+v", survey, namespaces)
			}
		})
	}
}

// A named network namespace is a mount of the same file, so its ID is the same.
func TestNamedNetworkNamespace(t *testing.T) {
	fs := openProcfs(t)
	name := fmt.Sprintf("nsaudit-test-%d", os.Getpid())
	created := inNewNamed(t, name, func() *launched { return launch(t, launchOptions{role: role{Do: "block"}}) })
	joined := launch(t, launchOptions{role: role{
		Do: "become", Join: []string{filepath.Join("/run/netns", name)}, Then: &role{Do: "block"},
	}})
	created.ready()
	joined.ready()
	handle, err := netns.GetFromName(name)
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	for _, pid := range []int{created.pid, joined.pid} {
		id := idOf(t, namespacesOf(t, fs, pid), nsinspect.Net)
		if got := fmt.Sprintf("NS(%d:%d)", id.Dev, id.Ino); got != handle.UniqueId() {
			t.Errorf("process %d is in %s, want %s", pid, got, handle.UniqueId())
		}
	}
	if own := idOf(t, namespacesOf(t, fs, os.Getpid()), nsinspect.Net); fmt.Sprintf("NS(%d:%d)", own.Dev, own.Ino) == handle.UniqueId() {
		t.Error("the test is in the named namespace itself")
	}
}

// inNewNamed makes a named network namespace and calls start in it.
func inNewNamed(t *testing.T, name string, start func() *launched) *launched {
	t.Helper()
	runtime.LockOSThread()
	own, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	handle, err := netns.NewNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	t.Cleanup(func() {
		if err := netns.DeleteNamed(name); err != nil {
			t.Error(err)
		}
	})
	p := start()
	if err := netns.Set(own); err != nil {
		t.Fatal(err) // The thread stays locked and ends with its goroutine.
	}
	runtime.UnlockOSThread()
	return p
}

// A handle shows where the process is, not where it was when it was opened.
func TestMovedAfterStart(t *testing.T) {
	fs := openProcfs(t)
	host := hostNamespaces(t, fs)
	p := launch(t, launchOptions{
		flags: unix.CLONE_NEWNET | unix.CLONE_NEWIPC,
		role: role{
			Do: "become late", Join: []string{nsPath(os.Getpid(), "net"), nsPath(os.Getpid(), "ipc")}, Then: &role{Do: "block"},
		},
	})
	p.ready()
	process := openProcess(t, fs, p.pid)
	shares := func() map[string]bool {
		shared := make(map[string]bool)
		for _, kind := range []nsinspect.Kind{nsinspect.Net, nsinspect.IPC} {
			id, err := process.Namespace(kind)
			if err != nil {
				t.Fatal(err)
			}
			shared[kind.String()] = id == idOf(t, host, kind)
		}
		return shared
	}
	if diff := cmp.Diff(map[string]bool{"net": false, "ipc": false}, shares()); diff != "" {
		t.Errorf("before -want +got:\n%s", diff)
	}
	p.send()
	p.ready()
	if diff := cmp.Diff(map[string]bool{"net": true, "ipc": true}, shares()); diff != "" {
		t.Errorf("after -want +got:\n%s", diff)
	}
}

// A child of nsenter(1), or of kubectl exec, is where the process is that it joined.
func TestEnteredChild(t *testing.T) {
	fs := openProcfs(t)
	target := launch(t, launchOptions{role: role{Do: "block"}, flags: unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWPID})
	target.ready()
	entering := launch(t, launchOptions{role: role{
		Do: "start", Join: []string{nsPath(target.pid, "net"), nsPath(target.pid, "ipc"), nsPath(target.pid, "pid")}, Then: &role{Do: "block"},
	}})
	child := entering.child()
	entering.ready()
	want, got := namespacesOf(t, fs, target.pid), namespacesOf(t, fs, child)
	if !want.Equal(got) {
		t.Errorf("the child is in %+v, the process that it joined in %+v", got, want)
	}
	// A pid namespace is for children: who enters it is not in it.
	if idOf(t, namespacesOf(t, fs, entering.pid), nsinspect.PID) == idOf(t, want, nsinspect.PID) {
		t.Error("who entered is itself in the pid namespace")
	}
}

// Only /proc/PID/task/TID/ns shows a single thread that is elsewhere.
func TestOneThreadElsewhere(t *testing.T) {
	fs := openProcfs(t)
	const others = 200
	p := launch(t, launchOptions{role: role{Do: "threads", N: others, Unshare: unix.CLONE_NEWNET}})
	tid := p.number()
	process := openProcess(t, fs, p.pid)
	leader, err := process.Namespace(nsinspect.Net)
	if err != nil {
		t.Fatal(err)
	}
	if own := idOf(t, namespacesOf(t, fs, os.Getpid()), nsinspect.Net); leader != own {
		t.Errorf("the leader is in %v, want %v", leader, own)
	}
	thread, err := process.ThreadNamespace(tid, nsinspect.Net)
	if err != nil || thread == leader {
		t.Errorf("the thread is in %v, %v, and the leader in %v", thread, err, leader)
	}
	survey := surveyOf(t, fs, p.pid, nsinspect.Net, nsinspect.PID, nsinspect.IPC)
	if survey.Threads < others || len(survey.Groups) != 2 || survey.Denied > 0 || survey.Truncated {
		t.Fatalf("survey %+v", survey)
	}
	for _, group := range survey.Groups {
		if id := idOf(t, group.Namespaces, nsinspect.Net); id == leader {
			if group.Threads != survey.Threads-1 {
				t.Errorf("%d threads of %d are with the leader", group.Threads, survey.Threads)
			}
		} else if diff := cmp.Diff([]int{tid}, group.TIDs); diff != "" || group.Threads != 1 || id != thread {
			t.Errorf("%d threads are in %v, want %v -want +got:\n%s", group.Threads, id, thread, diff)
		}
	}
}

// A leader that ended, as after pthread_exit, is shown as a zombie in no namespace.
func TestEndedLeader(t *testing.T) {
	fs := openProcfs(t)
	p := launch(t, launchOptions{role: role{Do: "end leader"}})
	p.ready()
	if id, err := openProcess(t, fs, p.pid).Namespace(nsinspect.Net); !errors.Is(err, nsinspect.ErrVanished) {
		t.Errorf("Namespace of a dead leader = %v, %v, want %v", id, err, nsinspect.ErrVanished)
	}
	survey := surveyOf(t, fs, p.pid, nsinspect.Net, nsinspect.PID, nsinspect.IPC)
	if survey.Ended || survey.Threads == 0 || len(survey.Groups) != 1 {
		t.Fatalf("survey %+v", survey)
	}
	own := namespacesOf(t, fs, os.Getpid())
	for _, kind := range []nsinspect.Kind{nsinspect.Net, nsinspect.PID, nsinspect.IPC} {
		if got, want := idOf(t, survey.Groups[0].Namespaces, kind), idOf(t, own, kind); got != want {
			t.Errorf("its %s namespace is %v, want %v", kind, got, want)
		}
	}
}

func TestZombie(t *testing.T) {
	fs := openProcfs(t)
	pid := launch(t, launchOptions{role: role{Do: "zombie"}}).number()
	process := openProcess(t, fs, pid)
	if survey := surveyOf(t, fs, pid, nsinspect.Net, nsinspect.PID, nsinspect.IPC); !survey.Ended || len(survey.Groups) > 0 {
		t.Errorf("survey %+v", survey)
	}
	if all, err := process.Namespaces(); !errors.Is(err, nsinspect.ErrVanished) {
		t.Errorf("Namespaces = %+v, %v, want %v", all, err, nsinspect.ErrVanished)
	}
}
