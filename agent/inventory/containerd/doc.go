// SPDX-License-Identifier: Apache-2.0

// Package containerd is the inventory of a containerd, asked over its socket.
//
// It uses containerd's API module alone, for eight calls that each have a deadline: the
// version, the namespaces, the containers and one of them, the tasks and one of them, the
// stored sandboxes, and the events. A container's record is decoded once, until it changes.
//
// What containerd answers is a claim, not the truth: a task whose shim hangs is left out of
// its list or blanked, and stopped ones keep their dead pid.
package containerd
