// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// HostPortEvidence is the evidence of the check HostPort.
type HostPortEvidence struct {
	// Namespace is the host's network namespace.
	Namespace nsinspect.ID
	// Ports are the first of the ports, and MorePorts counts the rest.
	Ports     []PortEvidence
	MorePorts int
}

// Key names the ports, in quotes. A client's UDP port is not part of it: it changes with each
// question that is asked of a DNS server.
func (e *HostPortEvidence) Key() string {
	var names []string
	for i := range e.Ports {
		port := &e.Ports[i]
		if port.Protocol == socket.UDP && port.Way == WaySocket && port.HostPort >= socket.FirstEphemeralPort {
			continue
		}
		names = append(names, port.name())
	}
	return strconv.Quote(strings.Join(names, " "))
}

// Way is how a port leads into a container.
type Way string

// The ways.
const (
	WaySocket Way = "socket"
	WayDNAT   Way = "DNAT"
	// WayRedirect and WayTProxy lead to a socket in the host's network.
	WayRedirect Way = "redirect"
	WayTProxy   Way = "TPROXY"
)

// PortEvidence is a port of the host that leads into a container, or was declared to.
type PortEvidence struct {
	Protocol socket.Protocol
	// HostAddress is the host's address; the zero value stands for all.
	HostAddress netip.Addr
	HostPort    uint16
	// LastPort ends a range of ports; 0 for a single one.
	LastPort uint16
	// ContainerPort is where it leads, where that is another port.
	ContainerPort uint16
	// Way is how it leads there; empty if the port leads nowhere.
	Way Way
	// Processes are the first of those that have the socket open, and MoreProcesses counts
	// the rest.
	Processes     []ProcessEvidence
	MoreProcesses int
	// OtherContainers are the ids of the first of those that share the socket, or listen on
	// the same port, and MoreOtherContainers counts the rest.
	OtherContainers     []string
	MoreOtherContainers int
	// DeclaredFor are the ids of the first of the other containers that declare the port, and
	// MoreDeclaredFor counts the rest.
	DeclaredFor     []string
	MoreDeclaredFor int
	// Rule is the forward; nil for a socket.
	Rule *RuleEvidence
	// Shadows are the first of the sockets that receive nothing because of the forward, and
	// MoreShadows counts the rest.
	Shadows     []ShadowEvidence
	MoreShadows int
}

// RuleEvidence is where a forward stands and leads.
type RuleEvidence struct {
	Backend      netfilter.Backend
	Table, Chain string
	Target       netip.AddrPort
	// LastTarget ends a range of addresses; the zero value if there is only one.
	LastTarget netip.Addr
	// Named is the id of another container, which the rule says it is for.
	Named string
}

// ShadowEvidence is a socket that a forward takes the traffic of.
type ShadowEvidence struct {
	Address       netip.AddrPort
	UID           uint32
	Processes     []ProcessEvidence
	MoreProcesses int
}

// name names the port, by which an Event is found again after a restart: it may not change.
func (p *PortEvidence) name() string {
	if p.Protocol == socket.Raw {
		return fmt.Sprintf("IP protocol %d", p.HostPort)
	}
	number := fmt.Sprint(p.HostPort)
	if p.LastPort > p.HostPort {
		number += fmt.Sprintf("-%d", p.LastPort)
	}
	switch address := p.HostAddress; {
	case address.Is6() && !address.Is4In6():
		number = fmt.Sprintf("[%s]:%s", address, number)
	case address.IsValid():
		number = fmt.Sprintf("%s:%s", address, number)
	}
	return number + "/" + string(p.Protocol)
}

// comparePorts orders ports as people count them.
func comparePorts(a, b *gatheredPort) int {
	return cmp.Or(
		cmp.Compare(a.HostPort, b.HostPort),
		cmp.Compare(a.Protocol, b.Protocol),
		a.HostAddress.Compare(b.HostAddress),
	)
}

func forwardEvidence(forward *snapshot.Forward) PortEvidence {
	evidence := PortEvidence{
		Protocol: forward.Protocol, HostAddress: forward.HostAddress.Unmap(), HostPort: forward.HostPort,
		ContainerPort: forward.Target.Port(), Way: wayOf(forward.Kind),
		Rule: &RuleEvidence{forward.Backend, forward.Table, forward.Chain, forward.Target, forward.LastTarget, forward.Named},
	}
	if forward.LastPort > forward.HostPort {
		evidence.LastPort = forward.LastPort
	}
	named := forward.Shadows[:min(len(forward.Shadows), maxEvidence)]
	evidence.MoreShadows = len(forward.Shadows) - len(named) + forward.MoreShadows
	for _, shadowed := range named {
		shadow := ShadowEvidence{Address: shadowed.Address, UID: shadowed.UID}
		shadow.Processes, shadow.MoreProcesses = holderEvidence(shadowed.Holders)
		shadow.MoreProcesses += shadowed.MoreHolders
		evidence.Shadows = append(evidence.Shadows, shadow)
	}
	return evidence
}

func wayOf(kind netfilter.Kind) Way {
	switch kind {
	case netfilter.Redirect:
		return WayRedirect
	case netfilter.TProxy:
		return WayTProxy
	case netfilter.DNAT:
	}
	return WayDNAT
}

func holderEvidence(holders []snapshot.Holder) (first []ProcessEvidence, more int) {
	named := holders[:min(len(holders), maxEvidence)]
	for _, holder := range named {
		first = append(first, ProcessEvidence{PID: holder.PID, Command: holder.Command})
	}
	return first, len(holders) - len(named)
}
