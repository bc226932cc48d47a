package nsinspect

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
