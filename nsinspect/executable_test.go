// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

func TestExecutable(t *testing.T) {
	fake := fakeproc.New(t)
	for _, pid := range []int{5, 6, 7, 8} {
		fake.Add(fakeproc.Process{PID: pid})
	}
	fake.Write("bin/runc", "program")
	fake.Write("bin/copy", "program")
	fake.Link("../../bin/runc", "proc/5/exe")
	fake.Link("../../bin/runc", "proc/6/exe")
	fake.Link("../../bin/copy", "proc/7/exe")
	read := func(pid int) Executable {
		executable, err := openProcess(t, fake, pid).Executable()
		if err != nil {
			t.Fatal(err)
		}
		return executable
	}
	if first := read(5); first != read(6) || first.Size != uint64(len("program")) || first.Links != 1 {
		t.Errorf("executables %+v and %+v of two that run one program", first, read(6))
	}
	if other := read(7); other.IsCopyOf(read(5)) {
		t.Errorf("%+v is the copy of another", other)
	}
	if path, err := openProcess(t, fake, 7).ExecutablePath(); err != nil || path != "../../bin/copy" {
		t.Errorf("path %q, %v", path, err)
	}
	if executable, err := openProcess(t, fake, 8).Executable(); !errors.Is(err, ErrVanished) {
		t.Errorf("a process without one has %+v, %v", executable, err)
	}
	if path, err := openProcess(t, fake, 8).ExecutablePath(); !errors.Is(err, ErrVanished) {
		t.Errorf("a process without one has %q, %v", path, err)
	}
}

func TestIsCopyOf(t *testing.T) {
	t.Parallel()
	runc := Executable{FileID{Dev: 1, Ino: 7}, 100, 1}
	for name, test := range map[string]struct {
		of   Executable
		want bool
	}{
		"itself":                       {runc, true},
		"a file in memory":             {Executable{FileID{Dev: 2, Ino: 9}, 100, 0}, true},
		"a file in memory, other size": {Executable{FileID{Dev: 2, Ino: 9}, 101, 0}, false},
		"by way of an overlay":         {Executable{FileID{Dev: 3, Ino: 7}, 100, 1}, true},
		"another with the number":      {Executable{FileID{Dev: 3, Ino: 7}, 99, 1}, false},
		"another of the size":          {Executable{FileID{Dev: 1, Ino: 8}, 100, 1}, false},
	} {
		if got := test.of.IsCopyOf(runc); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestParent(t *testing.T) {
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5, Stat: strings.Replace(fakeproc.RunningStat, "S 1 ", "S 42 ", 1), Comm: ") S 7 ("})
	fake.Add(fakeproc.Process{PID: 6, Stat: "?"})
	fake.Add(fakeproc.Process{PID: 7})
	if parent, err := openProcess(t, fake, 5).Parent(); parent != 42 || err != nil {
		t.Errorf("parent %d, %v", parent, err)
	}
	if parent, err := openProcess(t, fake, 6).Parent(); !errors.Is(err, ErrMalformed) {
		t.Errorf("malformed: %d, %v", parent, err)
	}
	process := openProcess(t, fake, 7)
	fake.Remove("proc/7/stat")
	if parent, err := process.Parent(); !errors.Is(err, ErrVanished) {
		t.Errorf("gone: %d, %v", parent, err)
	}
}

// The kernel's own answers, of this very process.
func TestOwnParentAndExecutable(t *testing.T) {
	process := ownProcess(t)
	if parent, err := process.Parent(); parent != os.Getppid() || err != nil {
		t.Errorf("parent %d, %v, want %d", parent, err, os.Getppid())
	}
	executable, err := process.Executable()
	if err != nil || executable.Size == 0 {
		t.Errorf("executable %+v, %v", executable, err)
	}
	want, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if path, err := process.ExecutablePath(); path != want || err != nil {
		t.Errorf("path %q, %v, want %q", path, err, want)
	}
}
