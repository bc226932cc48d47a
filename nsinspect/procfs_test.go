package nsinspect

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
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
	fake := newFakeProc(t)
	for _, pid := range []int{300, 2, 4194304, 1} {
		fake.add(fakeProcess{pid: pid, comm: "test"})
	}
	// What else there is in a procfs, and what there never is.
	for _, name := range []string{"self", "sys", "1a", "007", "0", "-5", "+5", " 5", "9999999999", "18446744073709551617"} {
		fake.mkdir("proc/" + name)
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
	fake := newFakeProc(t)
	fake.add(fakeProcess{pid: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if pids, err := openFake(t, fake).PIDs(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("PIDs = %v, %v, want %v", pids, err, context.Canceled)
	}
}

func TestReadNumbersIsCapped(t *testing.T) {
	fake := newFakeProc(t)
	for _, name := range []string{"1", "2", "3"} {
		fake.mkdir("proc/" + name)
	}
	for _, limit := range []int{2, 3} {
		dir, err := openDir(unix.AT_FDCWD, fake.root())
		if err != nil {
			t.Fatal(err)
		}
		numbers, err := readNumbers(t.Context(), dir, limit)
		closeFD(dir)
		if tooLarge := errors.Is(err, ErrTooLarge); tooLarge != (limit < 3) {
			t.Errorf("limit %d: %v, %v", limit, numbers, err)
		}
	}
}

func TestOpen(t *testing.T) {
	fake := newFakeProc(t)
	fake.add(fakeProcess{pid: 7, comm: "seven"})
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
	proc := fake.root()
	if err := os.Rename(filepath.Join(proc, "7"), fake.path("was-7")); err != nil {
		t.Fatal(err)
	}
	fake.add(fakeProcess{pid: 7, comm: "impostor"})
	if command, err := process.Command(); command != "seven" || err != nil {
		t.Errorf("Command() = %q, %v, want %q", command, err, "seven")
	}
}

func TestReadAll(t *testing.T) {
	fake := newFakeProc(t)
	const limit = 100
	tests := map[string]struct {
		size    int
		wantErr error
	}{
		"empty":           {0, nil},
		"one buffer":      {15, nil},
		"fills buffer":    {16, nil},
		"several buffers": {50, nil},
		"below the cap":   {limit - 1, nil},
		"at the cap":      {limit, ErrTooLarge}, // There may be more: it was not read to the end.
		"above the cap":   {limit + 1, ErrTooLarge},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := strings.Repeat("x", test.size)
			fake.write(name, want)
			text, err := readAll(unix.AT_FDCWD, fake.path(name), make([]byte, 16), limit)
			if !errors.Is(err, test.wantErr) {
				t.Fatalf("readAll: %v, want %v", err, test.wantErr)
			}
			if err == nil && string(text) != want {
				t.Errorf("readAll gave %d bytes, want %d", len(text), test.size)
			}
		})
	}
}

// direntOf makes a struct linux_dirent64 of a name, padded as the kernel does.
func direntOf(name string) []byte {
	length := (direntNameOffset + len(name) + 1 + 7) &^ 7
	record := make([]byte, length)
	binary.NativeEndian.PutUint16(record[direntLenOffset:], uint16(length)) //nolint:gosec // Names are short.
	copy(record[direntNameOffset:], name)
	return record
}

func FuzzAppendNumbers(f *testing.F) {
	whole := append(append(direntOf("1"), direntOf("self")...), direntOf("4194304")...)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(make([]byte, 64))                                     // Records without a length.
	f.Add(append(make([]byte, direntLenOffset), 255, 255, 8))   // Longer than the buffer.
	f.Add(append(make([]byte, direntLenOffset), 19, 0, 8, '1')) // No room for a name.
	f.Fuzz(func(t *testing.T, buf []byte) {
		numbers := appendNumbers(nil, buf)
		if len(numbers) > len(buf)/direntNameOffset {
			t.Errorf("%d numbers in %d bytes", len(numbers), len(buf))
		}
		for _, n := range numbers {
			if n <= 0 || n > 999_999_999 {
				t.Errorf("%d is no pid", n)
			}
		}
	})
}
