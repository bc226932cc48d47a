// SPDX-License-Identifier: Apache-2.0

package policy

import "iter"

// index finds the rules that may match a pod, so that a policy for the namespaces of a whole
// fleet costs a node what those of its own namespaces do.
type index struct {
	// named are the rules, by place, of which all namespaces are spelt out; by namespace.
	named map[string][]int
	// rest are the other rules.
	rest []int
}

func newIndex(rules []rule) index {
	x := index{named: make(map[string][]int)}
	for i := range rules {
		if !allLiteral(rules[i].namespaces) {
			x.rest = append(x.rest, i)
			continue
		}
		for _, namespace := range rules[i].namespaces {
			places := x.named[namespace.text]
			if len(places) == 0 || places[len(places)-1] != i { // A namespace may be there twice.
				x.named[namespace.text] = append(places, i)
			}
		}
	}
	return x
}

func allLiteral(namespaces patterns) bool {
	for i := range namespaces {
		if !namespaces[i].literal() {
			return false
		}
	}
	return len(namespaces) > 0
}

// candidates returns the places of the rules that may match a pod of the namespace, in order.
func (x *index) candidates(namespace string) iter.Seq[int] {
	return func(yield func(int) bool) {
		named, rest := x.named[namespace], x.rest
		for len(named)+len(rest) > 0 {
			from := &rest
			if len(rest) == 0 || len(named) > 0 && named[0] < rest[0] {
				from = &named
			}
			if !yield((*from)[0]) {
				return
			}
			*from = (*from)[1:]
		}
	}
}
