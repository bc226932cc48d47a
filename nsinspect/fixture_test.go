// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

// openFake opens a fake procfs for the time of the test.
func openFake(t testing.TB, fake *fakeproc.Proc) *FS {
	t.Helper()
	fs, err := NewFS(fake.Root())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fs.Close() })
	return fs
}

// openProcess opens one process for the time of the test.
func openProcess(t testing.TB, fake *fakeproc.Proc, pid int) *Process {
	t.Helper()
	process, err := openFake(t, fake).Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Close)
	return process
}

// ownProcess opens this very process, in the kernel's own procfs, for the time of the test.
func ownProcess(t testing.TB) *Process {
	t.Helper()
	fs, err := NewFS(DefaultRoot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fs.Close() })
	process, err := fs.Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Close)
	return process
}

// fakeID returns what the ID of the namespace of this name must be.
func fakeID(t testing.TB, fake *fakeproc.Proc, name string) ID {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Stat(fake.Path("namespaces/"+name), &stat); err != nil {
		t.Fatal(err)
	}
	return ID{Dev: uint64(stat.Dev), Ino: stat.Ino} //nolint:unconvert // Dev is 32 bits wide on some architectures.
}

// fakeNamespaces returns what the Namespaces of these names must be.
func fakeNamespaces(t testing.TB, fake *fakeproc.Proc, names map[string]string) Namespaces {
	t.Helper()
	var all Namespaces
	for name, target := range names {
		kind, err := ParseKind(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Set(kind, fakeID(t, fake, target))
	}
	return all
}

// sorted sorts a listing, whose order is the file system's.
func sorted(numbers []int) []int {
	slices.Sort(numbers)
	return numbers
}

// byTID orders groups by the first thread that they name.
func byTID(groups []ThreadGroup) {
	for _, group := range groups {
		slices.Sort(group.TIDs)
	}
	slices.SortFunc(groups, func(a, b ThreadGroup) int { return slices.Compare(a.TIDs, b.TIDs) })
}
