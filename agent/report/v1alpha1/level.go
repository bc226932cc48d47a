// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Level is a level of the Pod Security Standards, or unknown.
type Level string

// The levels.
const (
	LevelPrivileged Level = "privileged"
	LevelBaseline   Level = "baseline"
	LevelRestricted Level = "restricted"
	// LevelUnknown is that something could not be read without which there is none.
	LevelUnknown Level = "unknown"
)

// PodLevel is the level of a pod.
type PodLevel struct {
	Pod Pod `json:"pod"`
	// Enforced is what the kernel enforces: on the weakest of the pod's containers.
	Enforced Level `json:"enforced"`
	// Declared is what the API server's admission would give the pod, as far as the node knows
	// what it declares.
	Declared LevelInterval `json:"declared"`
	// Lowered is whether the kernel enforces less than the lowest of these.
	Lowered bool `json:"lowered,omitempty"`
	// Violations are what keeps the pod from a higher level, first what baseline forbids.
	Violations []LevelViolation `json:"violations"`
	// Unverified are the controls of the standards that the node can't show, or of which something
	// could not be read.
	Unverified []string `json:"unverified"`
}

// LevelInterval is the levels between two, with both; both are unknown where the declaration could
// not be read.
type LevelInterval struct {
	Lowest  Level `json:"lowest"`
	Highest Level `json:"highest"`
}

// LevelViolation is something that a level forbids.
type LevelViolation struct {
	// Level is the lowest that forbids it.
	Level Level `json:"level"`
	// Control is its name in the standards.
	Control string `json:"control"`
	// Container is the container's name in the pod; absent for the pod as a whole.
	Container string `json:"container,omitempty"`
	// Detail is what was found.
	Detail string `json:"detail"`
}
