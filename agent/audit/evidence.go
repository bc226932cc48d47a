// SPDX-License-Identifier: Apache-2.0

package audit

import "github.com/nsaudit/nsaudit/nsinspect"

// Evidence is what a finding was concluded from.
type Evidence struct {
	// Kind is the kind of namespace and Namespace the one that the processes are in: the
	// host's, or the container's own if the declared sharing is not in effect.
	Kind      nsinspect.Kind `json:"kind"`
	Namespace nsinspect.ID   `json:"namespace"`
	// Processes are the first of the processes, and MoreProcesses counts the rest.
	Processes     []ProcessEvidence `json:"processes,omitempty"`
	MoreProcesses int               `json:"moreProcesses,omitempty"`
	// JoinedPath is the path by which the runtime spec let the container join.
	JoinedPath string `json:"joinedPath,omitempty"`
	// Ports are those that a finding about ports is about, and MorePorts counts the rest.
	Ports     []PortEvidence `json:"ports,omitempty"`
	MorePorts int            `json:"morePorts,omitempty"`
}

// ProcessEvidence is a process in the namespace of the evidence.
type ProcessEvidence struct {
	PID     int    `json:"pid"`
	Command string `json:"command,omitempty"`
	// Threads is the number of its threads that are in the namespace; 0 where the evidence is
	// about ports.
	Threads int `json:"threads,omitempty"`
	// TIDs are the first of them, where other threads of the process are elsewhere.
	TIDs []int `json:"tids,omitempty"`
}

// maxEvidence caps the processes that a finding names.
const maxEvidence = 8
