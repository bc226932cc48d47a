// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strconv"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"":                      "",
		"sleep":                 "sleep",
		"größe 大":               "größe 大",
		"two\nlines\ttab":       `two\nlines\ttab`,
		"\x1b[31mred\x1b[0m":    `\x1b[31mred\x1b[0m`,
		"c1 \u009b31m":          `c1 \u009b31m`,
		"turned \u202eexe.txt":  `turned \u202eexe.txt`,
		"zero\u200bwidth":       `zero\u200bwidth`,
		"not utf8 \xff\xfe":     `not utf8 \xff\xfe`,
		`already \x1b escaped`:  `already \\x1b escaped`,
		"nul\x00del\x7f":        `nul\x00del\x7f`,
		"replacement \ufffd ok": "replacement \ufffd ok",
	}
	for text, want := range tests {
		if got := Clean(text); got != want {
			t.Errorf("Clean(%q) = %q, want %q", text, got, want)
		}
	}
}

// FuzzClean checks that nothing unprintable is left and that nothing is lost.
func FuzzClean(f *testing.F) {
	f.Add("sleep")
	f.Add("\x1b]0;title\a\\")
	f.Fuzz(func(t *testing.T, text string) {
		clean := Clean(text)
		if !utf8.ValidString(clean) {
			t.Errorf("Clean(%q) is not UTF-8", text)
		}
		for _, r := range clean {
			if !unicode.IsPrint(r) {
				t.Errorf("Clean(%q) = %q has %U", text, clean, r)
			}
		}
		if back := unquote(t, clean); back != text {
			t.Errorf("Clean(%q) = %q, which stands for %q", text, clean, back)
		}
	})
}

// unquote resolves the escapes of a cleaned text.
func unquote(t *testing.T, clean string) string {
	t.Helper()
	var text []byte
	for len(clean) > 0 {
		r, multibyte, tail, err := strconv.UnquoteChar(clean, 0)
		if err != nil {
			t.Fatalf("%q: %v", clean, err)
		}
		if r < utf8.RuneSelf || !multibyte {
			text = append(text, byte(r))
		} else {
			text = utf8.AppendRune(text, r)
		}
		clean = tail
	}
	return string(text)
}
