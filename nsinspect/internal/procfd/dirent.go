// SPDX-License-Identifier: Apache-2.0

package procfd

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// ReadNumbers returns the entries of a directory whose names are positive decimal
// numbers.
func ReadNumbers(ctx context.Context, fd int, buffer *Buffer, limit int) ([]int, error) {
	var numbers []int
	err := eachBatch(ctx, fd, buffer, func(batch []byte) error {
		if numbers = appendNumbers(numbers, batch); len(numbers) > limit {
			return fmt.Errorf("more than %d entries: %w", limit, ErrTooLarge)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return numbers, nil
}

// eachBatch reads a directory and calls visit with the linux_dirent64 records (getdents64(2))
// of each read.
func eachBatch(ctx context.Context, fd int, buffer *Buffer, visit func(batch []byte) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := Retry(func() (int, error) { return unix.ReadDirent(fd, buffer[:]) })
		if err != nil || n == 0 {
			return err
		}
		if err := visit(buffer[:n]); err != nil {
			return err
		}
	}
}

// EachEntry reads a directory and calls visit with each entry but "." and "..".
func EachEntry(ctx context.Context, fd int, buffer *Buffer, visit func(entry Dirent) error) error {
	return eachBatch(ctx, fd, buffer, func(batch []byte) error {
		for {
			entry, rest, ok := cutDirent(batch)
			if !ok {
				return nil
			}
			batch = rest
			if name := string(entry.Name); name == "." || name == ".." {
				continue
			}
			if err := visit(entry); err != nil {
				return err
			}
		}
	})
}

// Dirent is an entry of a directory. The name is valid until the next read.
type Dirent struct {
	Ino  uint64
	Kind uint8
	Name []byte
}

// Where the fields of struct linux_dirent64 stand (getdents64(2)).
const (
	direntLenOffset  = 16
	direntKindOffset = 18
	direntNameOffset = 19
)

// cutDirent decodes the first record, without making a string of its name.
func cutDirent(buf []byte) (entry Dirent, rest []byte, ok bool) {
	if len(buf) < direntNameOffset {
		return Dirent{}, nil, false
	}
	length := int(binary.NativeEndian.Uint16(buf[direntLenOffset:]))
	if length < direntNameOffset || length > len(buf) {
		return Dirent{}, nil, false
	}
	name := buf[direntNameOffset:length]
	if end := bytes.IndexByte(name, 0); end >= 0 {
		name = name[:end]
	}
	return Dirent{binary.NativeEndian.Uint64(buf), buf[direntKindOffset], name}, buf[length:], true
}

// appendNumbers decodes the numbers among the records.
func appendNumbers(numbers []int, buf []byte) []int {
	for {
		entry, rest, ok := cutDirent(buf)
		if !ok {
			return numbers
		}
		if n, ok := parseNumber(entry.Name); ok {
			numbers = append(numbers, n)
		}
		buf = rest
	}
}

// parseNumber accepts canonical positive decimals of at most nine digits: pids have
// seven, and "007" is not how the kernel writes one.
func parseNumber(text []byte) (int, bool) {
	if len(text) == 0 || len(text) > 9 || text[0] == '0' {
		return 0, false
	}
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
