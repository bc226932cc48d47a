// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ellipsis marks what was shortened.
const ellipsis = "…"

// Short shortens a text to a number of bytes, between two characters, and marks that it did.
func Short(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := max(limit-len(ellipsis), 0)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

// Count counts things: "1 process", "2 processes", "0 findings".
func Count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "s"):
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// list names the first of some items, and counts the rest and the more that are not among
// them.
func list[T any](items []T, more, limit int, name func(*T) string) string {
	named := items[:min(len(items), limit)]
	texts := make([]string, len(named))
	for i := range named {
		texts[i] = name(&named[i])
	}
	text := strings.Join(texts, ", ")
	if more += len(items) - len(named); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
