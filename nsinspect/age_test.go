// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

func TestAge(t *testing.T) {
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5})
	fake.Add(fakeproc.Process{PID: 6, Stat: strings.TrimSuffix(fakeproc.RunningStat, "100") + "999999999999999999"})
	fake.Add(fakeproc.Process{PID: 7})
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		t.Fatal(err)
	}
	age, err := openProcess(t, fake, 5).Age()
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Duration(now.Nano()) - time.Second; age < want || age > want+time.Minute {
		t.Errorf("Age = %v of a process that started 1s after the system, %v ago", age, want)
	}
	if age, err := openProcess(t, fake, 6).Age(); err == nil {
		t.Errorf("Age = %v of a process that starts in the far future", age)
	}
	process := openProcess(t, fake, 7)
	fake.Remove("proc/7/stat")
	if age, err := process.Age(); !errors.Is(err, ErrVanished) {
		t.Errorf("Age = %v, %v of a process that is gone, want %v", age, err, ErrVanished)
	}
}

// The kernel's own number, of this very process.
func TestOwnAge(t *testing.T) {
	process := ownProcess(t)
	before, err := process.Age()
	if err != nil {
		t.Fatal(err)
	}
	const nap = 30 * time.Millisecond
	time.Sleep(nap)
	after, err := process.Age()
	if err != nil {
		t.Fatal(err)
	}
	if before < 0 || before > time.Hour || after < before+nap {
		t.Errorf("this test is %v old, and %v after %v", before, after, nap)
	}
}
