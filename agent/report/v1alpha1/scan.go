// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "time"

// APIVersion is the apiVersion of the documents.
const APIVersion = "nsaudit.io/v1alpha1"

// ScanKind is the kind of a Scan.
const ScanKind = "Scan"

// Scan is the document of one scan of a node.
type Scan struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Node is the node's name.
	Node string `json:"node"`
	// Time is when the scan began.
	Time            time.Time `json:"time"`
	DurationSeconds float64   `json:"durationSeconds"`
	Host            Host      `json:"host"`
	Inventory       Inventory `json:"inventory"`
	Coverage        Coverage  `json:"coverage"`
	// Ports is how much of the host's ports was looked at; absent if nothing was.
	Ports *Ports `json:"ports,omitempty"`
	// Summary counts the findings.
	Summary    Summary     `json:"summary"`
	Containers []Container `json:"containers"`
	Findings   []Finding   `json:"findings"`
	// Posture are findings about what was declared and is common: that a container runs as root,
	// for example. They are counted and shown, and nothing is announced.
	Posture []Finding `json:"posture"`
	// Levels are the Pod Security levels of the pods, by namespace and name. There are none where
	// the host's security context could not be read, or where no check needed it.
	Levels []PodLevel `json:"levels"`
}

// HostReference is how the process was found whose namespaces stand for the host's.
type HostReference string

// Some host references.
const (
	// HostPID1 is the init process.
	HostPID1 HostReference = "pid1"
	// HostNone is that no process could stand for the host: there is no verdict.
	HostNone HostReference = "none"
)

// Host is what the containers' namespaces are compared with.
type Host struct {
	Reference HostReference `json:"reference"`
	// PID is the process whose namespaces stand for the host's.
	PID int `json:"pid,omitempty"`
	// Namespaces are the host's, by kind.
	Namespaces map[Kind]NamespaceID `json:"namespaces"`
	// Containers are the containers that the host itself is in, outermost first.
	Containers []string `json:"containers,omitempty"`
}

// Kind is a kind of namespace, by the name that namespaces(7) gives it.
type Kind string

// NamespaceID identifies a namespace: the device and the inode of its nsfs file.
type NamespaceID struct {
	Dev uint64 `json:"dev"`
	Ino uint64 `json:"ino"`
}

// FromCgroups is the source of an inventory without a container runtime to ask.
const FromCgroups = "cgroups"

// Inventory is where the containers were learnt from.
type Inventory struct {
	Source  string `json:"source"`
	Address string `json:"address,omitempty"`
	Version string `json:"version,omitempty"`
}

// Coverage is how much was looked at.
type Coverage struct {
	Containers int `json:"containers"`
	// Processes are those of the node, in containers or not.
	Processes int `json:"processes"`
	// Threads are those of containers.
	Threads int `json:"threads"`
	// Vanished are processes that ended during the scan.
	Vanished int `json:"vanished"`
	// Denied are processes and threads that could not be read.
	Denied int `json:"denied"`
	// Transient are processes that were in a container's cgroup for a moment only.
	Transient int `json:"transient"`
	// Unknown is what could not be seen. Unknown is not clean.
	Unknown []Unknown `json:"unknown"`
}

// Cause is why something is unknown.
type Cause string

// CauseRuntime is that a container runtime did not answer, or does not know.
const CauseRuntime Cause = "runtime"

// Unknown is something that could not be seen.
type Unknown struct {
	// Container is what it is about; absent for the whole node.
	Container string `json:"container,omitempty"`
	Cause     Cause  `json:"cause"`
	// Reason is a sentence for people.
	Reason string `json:"reason"`
}

// Gap is why something could not be read.
type Gap struct {
	Cause Cause `json:"cause"`
	// Reason is a sentence for people.
	Reason string `json:"reason"`
}

// Ports is how much of the host's ports was looked at.
type Ports struct {
	// Sockets are those of the host's network that receive what comes to a port.
	Sockets int `json:"sockets"`
	// Forwards are the rules that lead from a port of the host to elsewhere.
	Forwards int `json:"forwards"`
	// Ways are what the sockets of each protocol were read from.
	Ways map[Protocol]string `json:"ways,omitempty"`
	// Absent are protocols that the kernel does not have.
	Absent []Protocol `json:"absent,omitempty"`
	// Rules are those of the packet filter that were looked at.
	Rules int `json:"rules"`
	// Ignored are rules that rewrite a destination in a form that is not known.
	Ignored int `json:"ignored"`
	// Foreign are forwards that lead to no container.
	Foreign int `json:"foreign"`
	// NoSockets are, by protocol, why its sockets could not be read.
	NoSockets map[Protocol]Gap `json:"noSockets,omitempty"`
	// NoForwards are why forwards may be missing.
	NoForwards []Gap `json:"noForwards,omitempty"`
	// Datapath is a network that forwards without rules.
	Datapath string `json:"datapath,omitempty"`
}
