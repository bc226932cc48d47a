// SPDX-License-Identifier: Apache-2.0

package report

import "testing"

func TestShort(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text  string
		limit int
		want  string
	}{
		"short":             {"abc", 3, "abc"},
		"long":              {"abcdef", 5, "ab…"},
		"within a rune":     {"aéé", 4, "a…"},
		"between two runes": {"aéé…", 6, "aé…"},
		"no room":           {"abcdef", 2, "…"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Short(test.text, test.limit); got != test.want {
				t.Errorf("Short(%q, %d) = %q, want %q", test.text, test.limit, got, test.want)
			}
		})
	}
}
