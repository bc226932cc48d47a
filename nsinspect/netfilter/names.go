// SPDX-License-Identifier: Apache-2.0

package netfilter

// Names tell what the programs that make rules mean by the names of chains and by comments.
// The zero value knows none.
type Names struct {
	// IsService reports whether a chain implements Services: what it forwards is left out,
	// and its rules, tens of thousands on some nodes, never leave the kernel.
	IsService func(table, chain string) bool
	// Owner returns whom a rule with a comment is for, see [Forward.Owner]; "" for a comment
	// that does not say.
	Owner func(table, chain, comment string) string
}

func (n *Names) isService(chain object) bool {
	return n.IsService != nil && n.IsService(chain.table, chain.name)
}

func (n *Names) owner(chain object, comment string) string {
	if n.Owner == nil || comment == "" {
		return ""
	}
	return n.Owner(chain.table, chain.name, comment)
}
