// SPDX-License-Identifier: Apache-2.0

package runtimes

// crioID recognises cgroups of CRI-O.
func crioID(e element) (string, bool) { return e.scope("crio-") }
