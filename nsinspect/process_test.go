// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

func TestClassify(t *testing.T) {
	tests := map[string]struct {
		err  error
		want error
	}{
		"no such file":      {unix.ENOENT, ErrVanished},
		"no such process":   {unix.ESRCH, ErrVanished},
		"permission denied": {unix.EACCES, ErrDenied},
		"not permitted":     {unix.EPERM, ErrDenied},
		"anything else":     {io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
		"too many files":    {unix.EMFILE, unix.EMFILE},
		"larger than a cap": {ErrTooLarge, ErrTooLarge},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := procfd.Classify("look", test.err)
			if !errors.Is(err, test.want) || !errors.Is(err, test.err) {
				t.Errorf("classify = %v, want %v and %v in its chain", err, test.want, test.err)
			}
			for _, outcome := range []error{ErrVanished, ErrDenied} {
				if !errors.Is(test.want, outcome) && errors.Is(err, outcome) {
					t.Errorf("classify = %v, which is not %v", err, outcome)
				}
			}
			if !strings.HasPrefix(err.Error(), "look: ") {
				t.Errorf("%q does not say what was done", err)
			}
		})
	}
	if err := procfd.Classify("look", nil); err != nil {
		t.Errorf("classify(nil) = %v", err)
	}
}

func TestNamespace(t *testing.T) {
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{
		PID:    5,
		NS:     map[string]string{"net": "net-a", "pid": "pid-a"},
		Others: []fakeproc.Thread{{TID: 6, NS: map[string]string{"net": "net-b", "pid": "pid-a"}}},
	})
	process := openProcess(t, fake, 5)
	for _, test := range []struct {
		name string
		look func() (ID, error)
		want ID
	}{
		{"leader", func() (ID, error) { return process.Namespace(Net) }, fakeID(t, fake, "net-a")},
		{"leader as a thread", func() (ID, error) { return process.ThreadNamespace(5, Net) }, fakeID(t, fake, "net-a")},
		{"thread", func() (ID, error) { return process.ThreadNamespace(6, Net) }, fakeID(t, fake, "net-b")},
		{"shared by both", func() (ID, error) { return process.ThreadNamespace(6, PID) }, fakeID(t, fake, "pid-a")},
	} {
		t.Run(test.name, func(t *testing.T) {
			id, err := test.look()
			if err != nil || id != test.want {
				t.Errorf("got %v, %v, want %v", id, err, test.want)
			}
		})
	}
	if _, err := process.Namespace(IPC); !errors.Is(err, ErrVanished) {
		t.Errorf("Namespace(ipc) = %v, want %v", err, ErrVanished)
	}
	if _, err := process.ThreadNamespace(99, Net); !errors.Is(err, ErrVanished) {
		t.Errorf("ThreadNamespace(99) = %v, want %v", err, ErrVanished)
	}
}

// The kernel answers EACCES to a look at a process that dies meanwhile. Whether it is that
// or a true denial shows in the stat file, unless that is denied as well.
func TestDenialOrDeath(t *testing.T) {
	tests := map[string]struct {
		stat string
		link string // Instead of a stat file.
		want error
	}{
		"running":           {stat: fakeproc.RunningStat, want: ErrDenied},
		"zombie":            {stat: fakeproc.ZombieStat, want: ErrVanished},
		"dead":              {stat: "X 1 1 1 0 -1 4194316" + fakeproc.StatRest, want: ErrVanished},
		"stat is gone":      {link: "nowhere", want: ErrVanished},
		"stat is denied":    {link: "../../forbidden/stat", want: ErrDenied},
		"stat is malformed": {stat: "?", want: ErrDenied},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := fakeproc.New(t)
			fake.Add(fakeproc.Process{PID: 5, Stat: test.stat, NS: map[string]string{"net": "forbidden/net"}})
			fake.Write("forbidden/stat", "5 (x) "+fakeproc.RunningStat)
			if test.link != "" {
				fake.Remove("proc/5/stat")
				fake.Link(test.link, "proc/5/stat")
			}
			process := openProcess(t, fake, 5)
			fake.WithoutRights(func() {
				if id, err := process.Namespace(Net); !errors.Is(err, test.want) {
					t.Errorf("Namespace = %v, %v, want %v", id, err, test.want)
				}
			})
		})
	}
}

func TestNamespaces(t *testing.T) {
	without := func(kinds ...Kind) map[string]string {
		names := fakeproc.AllKinds("x")
		for _, kind := range kinds {
			delete(names, kind.String())
		}
		return names
	}
	tests := map[string]struct {
		ns      map[string]string
		wantErr error
	}{
		"every kind":                     {ns: without()},
		"a kernel before 5.6":            {ns: without(Time)},
		"a kernel before 4.6":            {ns: without(Time, Cgroup)},
		"a zombie has user and pid only": {ns: map[string]string{"user": "u", "pid": "p"}, wantErr: ErrVanished},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := fakeproc.New(t)
			fake.Add(fakeproc.Process{PID: 5, NS: test.ns})
			got, err := openProcess(t, fake, 5).Namespaces()
			if !errors.Is(err, test.wantErr) {
				t.Fatalf("Namespaces: %v, want %v", err, test.wantErr)
			}
			if want := fakeNamespaces(t, fake, test.ns); err == nil && !got.Equal(want) {
				t.Errorf("Namespaces = %v, want %v", got, want)
			}
		})
	}
}

func TestCommand(t *testing.T) {
	for _, command := range []string{"bash", "", "a) S 0", "two\nlines", "\x1b[2Jclear", "kworker/R-" + strings.Repeat("x", 53)} {
		fake := fakeproc.New(t)
		fake.Add(fakeproc.Process{PID: 5, Comm: command})
		if got, err := openProcess(t, fake, 5).Command(); got != command || err != nil {
			t.Errorf("Command() = %q, %v, want %q", got, err, command)
		}
	}
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5, Comm: strings.Repeat("x", maxCommand+2)})
	if got, err := openProcess(t, fake, 5).Command(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Command() = %q, %v, want %v", got, err, ErrTooLarge)
	}
}

func TestThreads(t *testing.T) {
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5, Others: []fakeproc.Thread{{TID: 9}, {TID: 7}}})
	fake.Add(fakeproc.Process{PID: 8})
	tids, err := openProcess(t, fake, 5).Threads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{5, 7, 9}, sorted(tids)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if single, err := openProcess(t, fake, 5).singleThreaded(); single || err != nil {
		t.Errorf("singleThreaded = %t, %v of three threads", single, err)
	}
	fake.Remove("proc/8/task")
	if tids, err := openProcess(t, fake, 8).Threads(t.Context()); !errors.Is(err, ErrVanished) {
		t.Errorf("Threads = %v, %v of a process that is gone, want %v", tids, err, ErrVanished)
	}
}
