// SPDX-License-Identifier: Apache-2.0

// Package audit judges a snapshot of a node: which containers share the host's namespaces or
// are reached by its ports, and who declared that.
//
// Each check is a file with its name, severities and controls; how it judges, and on which
// evidence, it shares with its family. What is severe, undeclared, deferred or in effect is
// decided here: reports word a [Result], and judge nothing.
//
// It is pure: the same snapshot gives the same findings, on any machine and at any time,
// which is what makes each verdict testable with a table and a saved snapshot worth
// keeping.
package audit
