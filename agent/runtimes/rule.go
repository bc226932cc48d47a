// SPDX-License-Identifier: Apache-2.0

package runtimes

import "strings"

// RuleOwner returns what the comment of a rule of the packet filter says about whom the rule
// is for: the id that a CNI plugin was called with, which is that of a pod's sandbox, or what
// [CutOwner] takes apart. It is empty where the comment names none, or none whole.
func RuleOwner(table, chain, comment string) string {
	switch {
	case table == portmapTable:
		return comment
	case chain == portmapChain:
		return portmapOwner(comment)
	case chain == netavarkChain:
		return netavarkOwner(comment)
	}
	return ""
}

// cutLast returns what is behind the last separator, and whether there is one.
func cutLast(text, separator string) (after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return "", false
	}
	return text[i+len(separator):], true
}
