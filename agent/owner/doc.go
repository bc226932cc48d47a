// SPDX-License-Identifier: Apache-2.0

// Package owner attributes processes, sockets and forwards of a node to its containers. It is
// pure: what it needs to know of the kernel is handed to it.
package owner
