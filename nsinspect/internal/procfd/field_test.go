// SPDX-License-Identifier: Apache-2.0

package procfd

import (
	"strings"
	"testing"
)

func TestFields(t *testing.T) {
	fields := FieldsOf([]byte("  12  0A x y 255  the rest "))
	if n := fields.Uint(10, 8); n != 12 {
		t.Errorf("the first is %d, want 12", n)
	}
	if n := fields.Uint(16, 8); n != 10 {
		t.Errorf("the second is %d, want 10", n)
	}
	if text := string(fields.Next()); text != "x" {
		t.Errorf("the third is %q, want x", text)
	}
	fields.Skip(1)
	if n := fields.Uint(10, 8); n != 255 || !fields.Whole() {
		t.Errorf("the fifth is %d, whole: %t, want 255", n, fields.Whole())
	}
	if text := string(fields.Rest()); text != "  the rest " {
		t.Errorf("the rest is %q", text)
	}
}

func TestFieldsMalformed(t *testing.T) {
	for _, line := range []string{"", " ", "x", "-1", "+1", "256", "0x1", "1\t", "1.0"} {
		fields := FieldsOf([]byte(line))
		if n := fields.Uint(10, 8); n != 0 || fields.Whole() {
			t.Errorf("%q is %d, whole: %t", line, n, fields.Whole())
		}
		fields.Skip(3)
		if text := fields.Next(); len(text) > 0 || fields.Whole() {
			t.Errorf("behind %q is %q, whole: %t", line, text, fields.Whole())
		}
	}
}

func FuzzFields(f *testing.F) {
	f.Add(" a bc  d")
	f.Add("")
	f.Fuzz(func(t *testing.T, line string) {
		fields := FieldsOf([]byte(line))
		var all []string
		for field := fields.Next(); len(field) > 0; field = fields.Next() {
			all = append(all, string(field))
		}
		if got, want := strings.Join(all, " "), strings.Join(strings.FieldsFunc(line, func(r rune) bool { return r == ' ' }), " "); got != want {
			t.Errorf("the fields of %q are %q, want %q", line, got, want)
		}
	})
}
