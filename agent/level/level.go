// SPDX-License-Identifier: Apache-2.0

// Package level says which of Kubernetes' Pod Security Standards the kernel really enforces on
// the pods of a node, and which one their declarations would be given.
//
// It is pure. What the node can't show is not guessed: a control that could not be verified is
// named, and the level of a declaration is an interval.
package level

import (
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// Level is a level of the Pod Security Standards.
type Level string

// The levels, the least restricted first, and Unknown where something could not be read without
// which none can be given.
const (
	Privileged Level = "privileged"
	Baseline   Level = "baseline"
	Restricted Level = "restricted"
	Unknown    Level = "unknown"
)

// Pod is the level of a pod.
type Pod struct {
	Pod *inventory.Pod
	// Enforced is the level that the kernel enforces: that of the weakest of its containers.
	Enforced Level
	// Declared is the level that the API server's admission would give the pod, as far as the
	// node knows what it declares.
	Declared Interval
	// Lowered: the kernel's is below the lowest that the declaration allows.
	Lowered bool
	// Containers are those of the pod, without its pause container.
	Containers []Container
	// Violations are what keeps it from a higher level.
	Violations []Violation
	// Unverified are the controls that the node can't show, or of which something was not read.
	Unverified []string
}

// Interval is the levels between two, with both.
type Interval struct{ Lowest, Highest Level }

// Container is the level of a container.
type Container struct {
	Container *snapshot.Container
	Enforced  Level
}

// Violation is something that a level forbids.
type Violation struct {
	// Level is the lowest that forbids it, and Control its name in the standards.
	Level   Level
	Control string
	// Container is the container's name in the pod; empty for the pod as a whole.
	Container string
	// Detail says what was found.
	Detail string
}

// Of returns the levels of the pods of a snapshot, by namespace and name. Without the host's
// security context there are none.
func Of(snap *snapshot.Snapshot) []Pod {
	_ = snap
	return nil
}
