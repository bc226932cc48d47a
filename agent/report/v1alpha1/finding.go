// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Check is a question about a container.
type Check string

// Verdict is the answer of a check that fired.
type Verdict string

// Verdicts that are worded in another way than the rest.
const (
	// Unlisted is that a container listens in the host's network, which was declared, on a port
	// that was not listed.
	Unlisted Verdict = "Unlisted"
	// NotInEffect is that something was declared, and is not so.
	NotInEffect Verdict = "NotInEffect"
	// Shadows is that a forward takes the traffic of a listening socket.
	Shadows Verdict = "Shadows"
)

// Finding is a check that fired for one container.
type Finding struct {
	Check      Check    `json:"check"`
	DeclaredBy Declarer `json:"declaredBy"`
	// Reason is the name of check and verdict, such as HostNetworkShared.
	Reason    string       `json:"reason"`
	Pod       *Pod         `json:"pod,omitempty"`
	Container ContainerRef `json:"container"`
	Evidence  Evidence     `json:"evidence"`
	// Controls are the controls of public catalogues that the check stands for.
	Controls []string `json:"controls"`

	// Verdict and Warns, which reports whether people should act on it, are not part of the
	// document yet: they are empty once it was decoded.
	Verdict Verdict `json:"-"`
	Warns   bool    `json:"-"`
}

// Evidence is what a finding was concluded from: of a namespace or of ports.
type Evidence struct {
	// Kind is the kind of namespace.
	Kind Kind `json:"kind"`
	// Namespace is the one that the processes are in: the host's, or the container's own if
	// the declared sharing is not in effect.
	Namespace NamespaceID `json:"namespace"`
	// Processes are the first of the processes there.
	Processes []Process `json:"processes,omitempty"`
	// MoreProcesses counts the rest.
	MoreProcesses int `json:"moreProcesses,omitempty"`
	// JoinedPath is the path by which the runtime spec let the container join.
	JoinedPath string `json:"joinedPath,omitempty"`
	// Ports are the first of the ports that a finding about ports is about.
	Ports []Port `json:"ports,omitempty"`
	// MorePorts counts the rest.
	MorePorts int `json:"morePorts,omitempty"`
}

// Process is a process in the namespace of the evidence, or with a socket open.
type Process struct {
	PID     int    `json:"pid"`
	Command string `json:"command,omitempty"`
	// Threads is how many of its threads are in the namespace; absent for ports.
	Threads int `json:"threads,omitempty"`
	// TIDs are the first of them, where other threads of the process are elsewhere.
	TIDs []int `json:"tids,omitempty"`
}

// Port is a port of the host that leads into a container, or was declared to.
type Port struct {
	Protocol Protocol `json:"protocol"`
	// HostAddress is absent for all addresses of the host.
	HostAddress string `json:"hostAddress,omitempty"`
	HostPort    uint16 `json:"hostPort"`
	// LastPort ends a range of ports.
	LastPort uint16 `json:"lastPort,omitempty"`
	// ContainerPort is where it leads.
	ContainerPort uint16 `json:"containerPort,omitempty"`
	// Way is socket or DNAT; absent if the port leads nowhere.
	Way string `json:"way,omitempty"`
	// Processes are the first of those that have the socket open.
	Processes []Process `json:"processes,omitempty"`
	// MoreProcesses counts the rest.
	MoreProcesses int `json:"moreProcesses,omitempty"`
	// OtherContainers are the first of those that listen on the same port, by id.
	OtherContainers []string `json:"otherContainers,omitempty"`
	// MoreOtherContainers counts the rest.
	MoreOtherContainers int `json:"moreOtherContainers,omitempty"`
	// Rule is the forward.
	Rule *Rule `json:"rule,omitempty"`
	// Shadows are the first of the sockets that receive nothing because of the forward.
	Shadows []Shadow `json:"shadows,omitempty"`
	// MoreShadows counts the rest.
	MoreShadows int `json:"moreShadows,omitempty"`
}

// Rule is where a forward stands and leads.
type Rule struct {
	// Way is what holds the rule, such as iptables-nft.
	Way   string `json:"way"`
	Table string `json:"table"`
	Chain string `json:"chain"`
	// Target is an address and a port.
	Target string `json:"target"`
}

// Shadow is a socket that a forward takes the traffic of.
type Shadow struct {
	Address string `json:"address"`
	UID     uint32 `json:"uid"`
	// Processes are the first of those that have the socket open.
	Processes []Process `json:"processes,omitempty"`
	// MoreProcesses counts the rest.
	MoreProcesses int `json:"moreProcesses,omitempty"`
}
