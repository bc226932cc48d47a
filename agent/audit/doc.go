// SPDX-License-Identifier: Apache-2.0

// Package audit judges a snapshot of a node: which containers share the host's
// namespaces, and who asked for that.
//
// It is pure: the same snapshot gives the same findings, on any machine and at any time,
// which is what makes each verdict testable with a table and a saved snapshot worth
// keeping.
package audit
