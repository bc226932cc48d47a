// SPDX-License-Identifier: Apache-2.0

// Package containerd is the inventory of a containerd, asked over its socket in a handful of
// calls that each have a deadline.
//
// What containerd answers is a claim, not the truth: a task whose shim hangs is left out of
// its list or blanked, and stopped ones keep their dead pid.
package containerd
