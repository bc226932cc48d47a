// SPDX-License-Identifier: Apache-2.0

package runtimes

import "strings"

// crioID recognises cgroups of CRI-O.
func crioID(e element) (string, bool) { return e.scope("crio-") }

// isCRIOHostPort recognises the chains in which CRI-O keeps host ports (cri-o,
// internal/hostport).
func isCRIOHostPort(chain string) bool {
	return strings.HasPrefix(chain, "KUBE-HOSTPORTS") || strings.HasPrefix(chain, "KUBE-HP-")
}
