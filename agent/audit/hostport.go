package audit

import (
	"net/netip"
	"time"

	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// HostPort asks which ports of the host lead into a container: by a socket in the host's
// network, or by a rule that forwards to the container.
const HostPort Check = "HostPort"

func hostPortControls() []string {
	return []string{"CIS Kubernetes 5.2.12", "CIS Docker 5.8", "PSS baseline: Host Ports"}
}

// Ways by which a port leads into a container.
const (
	WaySocket = "socket"
	WayDNAT   = "DNAT"
)

// PortEvidence is a port of the host that leads into a container, or was to.
type PortEvidence struct {
	Protocol socket.Protocol `json:"protocol"`
	// HostAddress is the host's address; the zero value stands for all.
	HostAddress netip.Addr `json:"hostAddress,omitzero"`
	HostPort    uint16     `json:"hostPort"`
	// LastPort ends a range of ports.
	LastPort uint16 `json:"lastPort,omitempty"`
	// ContainerPort is where it leads, where that is another port.
	ContainerPort uint16 `json:"containerPort,omitempty"`
	// Way is WaySocket or WayDNAT; empty if the port leads nowhere.
	Way string `json:"way,omitempty"`
	// Processes are those that have the socket open, the first of them.
	Processes []ProcessEvidence `json:"processes,omitempty"`
	// OtherContainers share the socket, or listen on the same port: by id.
	OtherContainers []string `json:"otherContainers,omitempty"`
	// Rule is the forward.
	Rule *RuleEvidence `json:"rule,omitempty"`
	// Shadows are the sockets that get nothing any more because of the forward.
	Shadows []ShadowEvidence `json:"shadows,omitempty"`
}

// RuleEvidence is where a forward stands and leads.
type RuleEvidence struct {
	// Way is who made it, such as iptables-nft.
	Way    string         `json:"way"`
	Table  string         `json:"table"`
	Chain  string         `json:"chain"`
	Target netip.AddrPort `json:"target"`
}

// ShadowEvidence is a socket that a forward takes the traffic of.
type ShadowEvidence struct {
	Address   netip.AddrPort    `json:"address"`
	UID       uint32            `json:"uid"`
	Processes []ProcessEvidence `json:"processes,omitempty"`
}

// maxPortEvidence caps the ports that a finding names.
const maxPortEvidence = 64

// Grace is how long a container in the host's network may take to listen before a port that
// it declared counts as not in effect. A forward has none: it is there before the container.
const Grace = time.Minute
