// SPDX-License-Identifier: Apache-2.0

package procfd

import (
	"bytes"
	"strconv"
)

// Fields takes the fields of a line one by one. It makes no list of them: a table has up to
// 256 Ki lines.
type Fields struct {
	rest      []byte
	malformed bool
}

// FieldsOf returns the fields of a line, which spaces set apart.
func FieldsOf(line []byte) Fields { return Fields{rest: line} }

// Next returns the next field, or nothing behind the last one.
func (f *Fields) Next() []byte {
	f.rest = bytes.TrimLeft(f.rest, " ")
	end := bytes.IndexByte(f.rest, ' ')
	if end < 0 {
		end = len(f.rest)
	}
	field := f.rest[:end]
	f.rest = f.rest[end:]
	return field
}

// Skip leaves out fields.
func (f *Fields) Skip(n int) {
	for range n {
		f.Next()
	}
}

// Uint returns the next field, which is a number.
func (f *Fields) Uint(base, bits int) uint64 {
	number, err := strconv.ParseUint(string(f.Next()), base, bits)
	if err != nil {
		f.malformed = true
		return 0
	}
	return number
}

// Rest returns what is behind the fields that were taken.
func (f *Fields) Rest() []byte { return f.rest }

// Whole reports whether each number was one.
func (f *Fields) Whole() bool { return !f.malformed }
