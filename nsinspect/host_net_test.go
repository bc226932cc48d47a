// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"net"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

// A thread that was elsewhere is not used again.
func TestLostThread(t *testing.T) {
	tid := make(chan int)
	go onLostThread(func() { tid <- unix.Gettid() })
	mustEnd(t, <-tid)
}

// mustEnd waits for a thread's end.
func mustEnd(t *testing.T, tid int) {
	t.Helper()
	for range 500 {
		if _, err := os.Stat("/proc/self/task/" + strconv.Itoa(tid)); errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("thread %d lives on", tid)
}

// The first thread of a process can't end, so it does not go elsewhere. Here this test's own
// thread stands for it, as no goroutine can tell where it runs.
func TestLostThreadIsNotTheFirst(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, worked := unix.Gettid(), 0
	onThreadUnless(func(tid int) bool { return tid == own || tid == unix.Getpid() }, func() { worked = unix.Gettid() })
	if worked == own || worked == unix.Getpid() || worked == 0 {
		t.Fatalf("thread %d worked, the first is %d", worked, own)
	}
	mustEnd(t, worked)
	if unix.Gettid() != own {
		t.Error("the thread that stays was lost")
	}
}

func TestInterfaces(t *testing.T) {
	const devices = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       1       1    0    0    0     0          0         0        1       1    0    0    0     0       0          0
cilium_host:  1       1    0    0    0     0          0         0        1       1    0    0    0     0       0          0
`
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5, NS: fakeproc.AllKinds("host")})
	fake.Write("proc/5/net/dev", devices)
	host, err := openFake(t, fake).Host(nil, HostCandidate{ByHostPID, 5})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	got, err := host.Interfaces()
	if diff := cmp.Diff([]string{"cilium_host", "lo"}, got); diff != "" || err != nil {
		t.Errorf("%v -want +got:\n%s", err, diff)
	}
	// Another process with this pid has nothing to do with it.
	fake.Remove("proc/5")
	fake.Add(fakeproc.Process{PID: 5, NS: fakeproc.AllKinds("host")})
	fake.Write("proc/5/net/dev", devices)
	if got, err := host.Interfaces(); !errors.Is(err, ErrVanished) {
		t.Errorf("Interfaces = %v, %v of a process that ended, want %v", got, err, ErrVanished)
	}
	none, _ := openFake(t, fake).Host(nil)
	if got, err := none.Interfaces(); !errors.Is(err, ErrNoHost) {
		t.Errorf("Interfaces = %v, %v without a host, want %v", got, err, ErrNoHost)
	}
}

// The kernel's own list, by the handle of this process.
func TestOwnInterfaces(t *testing.T) {
	fs, err := NewFS(DefaultRoot)
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Close()
	host, err := fs.Host(nil, HostCandidate{ByHostPID, os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	want, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	got, err := host.Interfaces()
	if err != nil || len(got) != len(want) {
		t.Errorf("%q, %v, want %v", got, err, want)
	}
}
