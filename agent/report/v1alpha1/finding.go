// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "time"

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
	// Held is that a container has a hold of the host's namespace without being in it.
	Held Verdict = "Held"
	// Shadows is that a forward takes the traffic of a listening socket.
	Shadows Verdict = "Shadows"
	// Hijacks is that a forward takes a port to the container that another declares.
	Hijacks Verdict = "Hijacks"
)

// Severity is how bad a finding is.
type Severity string

// The severities that are for information only.
const (
	Low  Severity = "low"
	Info Severity = "info"
)

// Warns reports whether people should act on it. A severity that this program does not know
// warns, as it must not be overlooked.
func (s Severity) Warns() bool { return s != Low && s != Info }

// Finding is a check that fired for one container.
type Finding struct {
	// ID names the finding: the same for as long as it is the same for people, whatever the
	// process, and across restarts of the container. An Event's name and annotation, a log line
	// and a metric have it too.
	ID       string   `json:"id"`
	Check    Check    `json:"check"`
	Verdict  Verdict  `json:"verdict"`
	Severity Severity `json:"severity"`
	// DeclaredBy is who declared it.
	DeclaredBy Declarer `json:"declaredBy"`
	// Reason is the name of check and verdict, such as HostNetworkShared.
	Reason string `json:"reason"`
	// Expected is the rule of the policy that expects the finding; absent where none does.
	Expected *PolicyRule `json:"expected,omitempty"`
	// SeverityFrom is the rule of the policy that gave the finding its severity; absent where
	// none did.
	SeverityFrom *PolicyRule  `json:"severityFrom,omitempty"`
	Pod          *Pod         `json:"pod,omitempty"`
	Container    ContainerRef `json:"container"`
	Evidence     Evidence     `json:"evidence"`
	// Controls are the controls of public catalogues that the check stands for.
	Controls []string `json:"controls"`
}

// Warns reports whether people should act on the finding: its Event is a Warning.
func (f *Finding) Warns() bool { return f.Severity.Warns() && f.Expected == nil }

// PolicyRule is a rule of the policy.
type PolicyRule struct {
	// Rule is its name.
	Rule string `json:"rule"`
	// Reason is why it is there.
	Reason string `json:"reason"`
}

// Evidence is what a finding was concluded from: of a namespace, of ports, or of the security
// context.
type Evidence struct {
	// Kind is the kind of namespace; absent where the evidence is of the security context.
	Kind Kind `json:"kind,omitempty"`
	// Namespace is the one that the processes are in: the host's, or the container's own if
	// the declared sharing is not in effect.
	Namespace NamespaceID `json:"namespace,omitzero"`
	// Actual is what there is in the security context, each a few words such as "uid 0" or
	// "SYS_ADMIN", and Declared what was asked for instead.
	Actual   []string `json:"actual,omitempty"`
	Declared []string `json:"declared,omitempty"`
	// MoreActual and MoreDeclared count the rest.
	MoreActual   int `json:"moreActual,omitempty"`
	MoreDeclared int `json:"moreDeclared,omitempty"`
	// Processes are the first of the processes that it is about.
	Processes []Process `json:"processes,omitempty"`
	// MoreProcesses counts the rest.
	MoreProcesses int `json:"moreProcesses,omitempty"`
	// JoinedPath is the path by which the runtime spec let the container join.
	JoinedPath string `json:"joinedPath,omitempty"`
	// Past: the processes have left the namespace again. First and Last are when any of them was seen
	// in it, in UTC, and Count is how often; absent otherwise.
	Past  bool       `json:"past,omitempty"`
	First *time.Time `json:"first,omitempty"`
	Last  *time.Time `json:"last,omitempty"`
	Count uint64     `json:"count,omitempty"`
	// Held are the first of the ways by which the container has a hold of the namespace without being
	// in it.
	Held []Hold `json:"held,omitempty"`
	// MoreHeld counts the rest.
	MoreHeld int `json:"moreHeld,omitempty"`
	// Ports are the first of the ports that a finding about ports is about.
	Ports []Port `json:"ports,omitempty"`
	// MorePorts counts the rest.
	MorePorts int `json:"morePorts,omitempty"`
}

// Hold is a way by which a container has a hold of a namespace without being in it.
type Hold struct {
	// Way is what it has: file, mount, packet or netlink.
	Way string `json:"way"`
	// PID is a process that has it open; absent for a mount.
	PID     int    `json:"pid,omitempty"`
	Command string `json:"command,omitempty"`
	// Detail says which it is, such as where it is mounted.
	Detail string `json:"detail,omitempty"`
}

// Process is a process in the namespace of the evidence, with the credentials that it is about, or
// with a socket open.
type Process struct {
	PID     int    `json:"pid"`
	Command string `json:"command,omitempty"`
	// Executable is the path of what it executed; only of those that have left the namespace.
	Executable string `json:"executable,omitempty"`
	// Threads is how many of its threads the evidence is about; absent for ports.
	Threads int `json:"threads,omitempty"`
	// TIDs are the first of them, where it is not about other threads of the process.
	TIDs []int `json:"tids,omitempty"`
	// LeftCgroup: the process is not in the container's cgroup; its PID namespace, its parent or both
	// tell whose it is.
	LeftCgroup bool `json:"leftCgroup,omitempty"`
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
	// Way is socket, DNAT, redirect or TPROXY; absent if the port leads nowhere.
	Way string `json:"way,omitempty"`
	// Processes are the first of those that have the socket open.
	Processes []Process `json:"processes,omitempty"`
	// MoreProcesses counts the rest.
	MoreProcesses int `json:"moreProcesses,omitempty"`
	// OtherContainers are the first of those that listen on the same port, by id.
	OtherContainers []string `json:"otherContainers,omitempty"`
	// MoreOtherContainers counts the rest.
	MoreOtherContainers int `json:"moreOtherContainers,omitempty"`
	// DeclaredFor are the first of the other containers that declare the port, by id.
	DeclaredFor []string `json:"declaredFor,omitempty"`
	// MoreDeclaredFor counts the rest.
	MoreDeclaredFor int `json:"moreDeclaredFor,omitempty"`
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
	// Target is an address and a port. An unspecified address stands for the host itself.
	Target string `json:"target"`
	// LastTarget is the last of a range of addresses.
	LastTarget string `json:"lastTarget,omitempty"`
	// Named is the id of another container, which the rule says it is for.
	Named string `json:"named,omitempty"`
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
