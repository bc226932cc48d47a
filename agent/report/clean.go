// SPDX-License-Identifier: Apache-2.0

// Package report has the words that all reports share: how a text that others chose is made fit
// to be shown ([Clean]) and shortened ([Short]), how a container is named ([Subject]), and how
// evidence and a whole finding are worded ([Evidence], [Note]).
//
// It knows the documents of package v1alpha1 only, so that programs which decode them can word
// them in the same way.
package report

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes a text from a process, an image or a pod fit to be shown: whatever is not
// printable, such as escape codes, line breaks and marks that turn the direction of
// writing, becomes visible as a Go escape, and so does a backslash, so that no text can
// pass for an escaped one.
func Clean(text string) string {
	if isClean(text) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if isCleanRune(r, size) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteToASCII(text[:size])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return b.String()
}

func isClean(text string) bool {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if !isCleanRune(r, size) {
			return false
		}
		i += size
	}
	return true
}

func isCleanRune(r rune, size int) bool {
	invalid := r == utf8.RuneError && size <= 1
	return !invalid && r != '\\' && unicode.IsPrint(r)
}
