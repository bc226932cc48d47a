package nsinspect

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// dirBufSize holds about 1,300 entries of 24 bytes: one getdents64(2) for most nodes.
const dirBufSize = 32 << 10

// readNumbers returns the entries of a directory whose names are positive decimal
// numbers.
func readNumbers(ctx context.Context, fd, limit int) ([]int, error) {
	var numbers []int
	err := eachBatch(ctx, fd, make([]byte, dirBufSize), func(batch []byte) error {
		if numbers = appendNumbers(numbers, batch); len(numbers) > limit {
			return fmt.Errorf("more than %d entries: %w", limit, errTooLarge)
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
func eachBatch(ctx context.Context, fd int, buf []byte, visit func(batch []byte) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := retry(func() (int, error) { return unix.ReadDirent(fd, buf) })
		if err != nil || n == 0 {
			return err
		}
		if err := visit(buf[:n]); err != nil {
			return err
		}
	}
}

// eachEntry reads a directory and calls visit with each entry but "." and "..".
func eachEntry(ctx context.Context, fd int, buf []byte, visit func(entry dirent) error) error {
	return eachBatch(ctx, fd, buf, func(batch []byte) error {
		for {
			entry, rest, ok := cutDirent(batch)
			if !ok {
				return nil
			}
			batch = rest
			if name := string(entry.name); name == "." || name == ".." {
				continue
			}
			if err := visit(entry); err != nil {
				return err
			}
		}
	})
}

// dirent is an entry of a directory. The name is valid until the next read.
type dirent struct {
	ino  uint64
	kind uint8
	name []byte
}

// Where the fields of struct linux_dirent64 stand (getdents64(2)).
const (
	direntLenOffset  = 16
	direntKindOffset = 18
	direntNameOffset = 19
)

// cutDirent decodes the first record, without making a string of its name.
func cutDirent(buf []byte) (entry dirent, rest []byte, ok bool) {
	if len(buf) < direntNameOffset {
		return dirent{}, nil, false
	}
	length := int(binary.NativeEndian.Uint16(buf[direntLenOffset:]))
	if length < direntNameOffset || length > len(buf) {
		return dirent{}, nil, false
	}
	name := buf[direntNameOffset:length]
	if end := bytes.IndexByte(name, 0); end >= 0 {
		name = name[:end]
	}
	return dirent{binary.NativeEndian.Uint64(buf), buf[direntKindOffset], name}, buf[length:], true
}

// appendNumbers decodes the numbers among the records.
func appendNumbers(numbers []int, buf []byte) []int {
	for {
		entry, rest, ok := cutDirent(buf)
		if !ok {
			return numbers
		}
		if n, ok := parseNumber(entry.name); ok {
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
