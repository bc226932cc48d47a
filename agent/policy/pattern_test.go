// SPDX-License-Identifier: Apache-2.0

package policy

import "testing"

func TestPatterns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"a", "A", false},
		{"*", "", true},
		{"*", "anything/at:all", true},
		{"a*", "a", true},
		{"a*", "ba", false},
		{"*a", "ba", true},
		{"*a", "ab", false},
		{"*a*", "bab", true},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"ab*ba", "aba", false},
		{"a*b*c", "a-c-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"*ab*ab*", "aab-ab", true},
		{"*ab*ab*", "aabb", false},
		{"**", "x", true},
		{"a.c", "abc", false},
	}
	for _, test := range tests {
		p, err := parsePattern(test.pattern)
		if got := p.matches(test.text); got != test.want || err != nil {
			t.Errorf("%q matches %q: %v, %v; want %v", test.pattern, test.text, got, err, test.want)
		}
	}
}

// FuzzMatch compares patterns with a table of which beginnings of a pattern match which of a
// text.
func FuzzMatch(f *testing.F) {
	f.Add("kube-*-x*", "kube-proxy-x7")
	f.Add("*a*aa", "aaa")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		p, err := parsePattern(pattern)
		if err != nil || len(pattern) > 100 || len(text) > 100 {
			return
		}
		row := make([]bool, len(text)+1)
		row[0] = true
		for i := range len(pattern) {
			next := make([]bool, len(row))
			next[0] = row[0] && pattern[i] == '*'
			for k := range len(text) {
				if pattern[i] == '*' {
					next[k+1] = next[k] || row[k+1]
				} else {
					next[k+1] = row[k] && pattern[i] == text[k]
				}
			}
			row = next
		}
		if want := row[len(text)]; p.matches(text) != want {
			t.Errorf("%q matches %q: %v, want %v", pattern, text, !want, want)
		}
	})
}
