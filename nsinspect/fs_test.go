// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

func TestNewFSTellsWhatIsNoProcfs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, root := range map[string]string{
		"missing":         filepath.Join(t.TempDir(), "missing"),
		"a file":          file,
		"without process": t.TempDir(),
	} {
		t.Run(name, func(t *testing.T) {
			fs, err := NewFS(root)
			if !errors.Is(err, ErrNoProcfs) {
				t.Errorf("NewFS = %v, %v, want %v", fs, err, ErrNoProcfs)
			}
			if err != nil && !strings.Contains(err.Error(), root) {
				t.Errorf("the message %q does not name %s", err, root)
			}
		})
	}
}

func TestPIDs(t *testing.T) {
	fake := fakeproc.New(t)
	for _, pid := range []int{300, 2, 4194304, 1} {
		fake.Add(fakeproc.Process{PID: pid, Comm: "test"})
	}
	// What else there is in a procfs, and what there never is.
	for _, name := range []string{"self", "sys", "1a", "007", "0", "-5", "+5", " 5", "9999999999", "18446744073709551617"} {
		fake.Mkdir("proc/" + name)
	}
	fs := openFake(t, fake)
	// Twice: a listing starts over, whatever was read before.
	for range 2 {
		pids, err := fs.PIDs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{1, 2, 300, 4194304}, pids); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestPIDsEndsWithItsContext(t *testing.T) {
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if pids, err := openFake(t, fake).PIDs(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("PIDs = %v, %v, want %v", pids, err, context.Canceled)
	}
}

func TestOpen(t *testing.T) {
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 7, Comm: "seven"})
	fs := openFake(t, fake)
	for _, pid := range []int{8, 0, -1} {
		if _, err := fs.Open(pid); !errors.Is(err, ErrVanished) {
			t.Errorf("Open(%d) = %v, want %v", pid, err, ErrVanished)
		}
	}
	process, err := fs.Open(7)
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	if process.PID() != 7 {
		t.Errorf("PID() = %d, want 7", process.PID())
	}
	// The handle is of the directory, not of the name: what takes the number later is
	// another process.
	proc := fake.Root()
	if err := os.Rename(filepath.Join(proc, "7"), fake.Path("was-7")); err != nil {
		t.Fatal(err)
	}
	fake.Add(fakeproc.Process{PID: 7, Comm: "impostor"})
	if command, err := process.Command(); command != "seven" || err != nil {
		t.Errorf("Command() = %q, %v, want %q", command, err, "seven")
	}
}

func TestHas(t *testing.T) {
	t.Parallel()
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5})
	fake.Write("proc/sys/kernel/x", "")
	fake.Link("nowhere", "proc/mounts")
	fs := openFake(t, fake)
	for name, want := range map[string]bool{"sys": true, "sys/kernel/x": true, "mounts": true, "keys": false, "sys/kernel/x/y": false} {
		if got := fs.Has(name); got != want {
			t.Errorf("Has(%q) = %t, want %t", name, got, want)
		}
	}
}
