// SPDX-License-Identifier: Apache-2.0

// Package policy says which findings are expected, by which rule, and why.
//
// A [Policy] is read from YAML by [Parse]; [Policy.Apply] rules the findings of a result by it.
// Of the rules that match a finding, the first in order counts. What could not be seen, and
// what was declared by nobody knows whom, matches no rule: unknown is never expected.
//
// [Policy.Lint] names the rules that are better changed, and [Suggest] writes the rules that
// would expect what is declared now.
//
// It is pure: the same policy and the same result give the same rulings, on any machine and at
// any time. Package policyfile below it reads the file.
package policy
