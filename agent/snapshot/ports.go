// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"maps"
	"slices"

	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// Socket is a socket of the host's network namespace with the processes that hold it.
type Socket struct {
	socket.Socket

	// Holders are processes that have it open. There may be none: the kernel tells in which
	// cgroup a socket was made, also where the files of processes can't be read.
	Holders []Holder `json:"holders,omitempty"`
	// MoreHolders counts those beyond the cap.
	MoreHolders int `json:"moreHolders,omitempty"`
}

// Holder is a process that has a socket open.
type Holder struct {
	PID int `json:"pid"`
	// Command is chosen by the process: escape it before it is shown.
	Command string `json:"command,omitempty"`
}

// Forward is a rule that leads from a port of the host to a container.
type Forward struct {
	netfilter.Forward

	// Named is the id of another container, which the rule says it is for.
	Named string `json:"named,omitempty"`
	// Shadows are the sockets of the host, or of other containers, that get nothing any more
	// because the rule comes first.
	Shadows []Socket `json:"shadows,omitempty"`
	// MoreShadows counts those beyond the cap.
	MoreShadows int `json:"moreShadows,omitempty"`
}

// PortCoverage is how much of the host's ports was looked at.
type PortCoverage struct {
	// Sockets is the number of sockets of the host's network namespace that take in what
	// comes to a port, and Forwards the number of rules that lead from there to elsewhere.
	Sockets  int `json:"sockets"`
	Forwards int `json:"forwards"`
	// Ways says what the sockets of each protocol were read from. Absent are those that the kernel
	// does not have.
	Ways   map[socket.Protocol]socket.Source `json:"ways,omitempty"`
	Absent []socket.Protocol                 `json:"absent,omitempty"`
	// Rules is the number of rules of the packet filter that were looked at, Ignored how many
	// of them send packets elsewhere in a form that is not known, and Foreign how many forwards
	// lead to no container.
	Rules   int `json:"rules"`
	Ignored int `json:"ignored"`
	Foreign int `json:"foreign"`
	// Opaque are ways from the host's ports that can be read and not be understood, such as the
	// ignored rules: any container may be where they lead.
	Opaque []Gap `json:"opaque,omitempty"`
	// NoSockets are, by protocol, why its sockets could not be read, and NoForwards why there
	// may be forwards that were not seen. Verdicts rest on [Container.Unread] instead, which
	// is what the scan that saw the container could not see.
	NoSockets  map[socket.Protocol]Gap `json:"noSockets,omitempty"`
	NoForwards []Gap                   `json:"noForwards,omitempty"`
	// Datapath names a network that forwards without rules, such as Cilium; empty for none.
	Datapath string `json:"datapath,omitempty"`
}

// Mark writes what a scan with this coverage could not see of ports to one of its containers.
func (p *PortCoverage) Mark(unread *Unread) {
	sockets := p.NoSockets
	if own := unread.Sockets; len(own) > 0 {
		sockets = maps.Clone(own) // The node's are shared by all containers.
		maps.Copy(sockets, p.NoSockets)
	}
	unread.Sockets, unread.Opaque = sockets, nil
	forwards := slices.Clone(p.NoForwards)
	for _, gap := range unread.Forwards {
		AddGap(&forwards, gap.Cause, gap.Detail)
	}
	unread.Forwards = forwards
	for _, gap := range p.Opaque {
		AddGap(&unread.Opaque, gap.Cause, gap.Detail)
	}
	if p.Datapath != "" {
		AddGap(&unread.Opaque, CauseDatapath, p.Datapath+" forwards without rules, by programs in the kernel")
	}
}

// MarkUnread writes to a container that its ports were not looked at, and why.
func MarkUnread(unread *Unread, gap Gap) {
	MarkSockets(unread, gap)
	unread.Forwards, unread.Opaque = []Gap{gap}, nil
}

// MarkSockets writes to a container that sockets of the host's network that it has may be missing,
// and why.
func MarkSockets(unread *Unread, gap Gap) {
	unread.Sockets = make(map[socket.Protocol]Gap)
	for _, protocol := range socket.Protocols() {
		unread.Sockets[protocol] = gap
	}
}
