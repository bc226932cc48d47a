// SPDX-License-Identifier: Apache-2.0

package procfd

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

func TestReadNumbersIsCapped(t *testing.T) {
	fake := fakeproc.New(t)
	for _, name := range []string{"1", "2", "3"} {
		fake.Mkdir("proc/" + name)
	}
	for _, limit := range []int{2, 3} {
		dir, err := OpenDir(unix.AT_FDCWD, fake.Root())
		if err != nil {
			t.Fatal(err)
		}
		numbers, err := ReadNumbers(t.Context(), dir, new(Buffer), limit)
		Close(dir)
		if tooLarge := errors.Is(err, ErrTooLarge); tooLarge != (limit < 3) {
			t.Errorf("limit %d: %v, %v", limit, numbers, err)
		}
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
