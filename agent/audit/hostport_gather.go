// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"net/netip"
	"slices"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// maxPortEvidence caps the ports that a finding names.
const maxPortEvidence = 64

// portList gathers the ports of one finding.
type portList struct {
	// place is the finding's among those that were found.
	place int
	ports []*gatheredPort
	index map[portKey]*gatheredPort
}

// portKey tells ports apart. Sockets on one port, as SO_REUSEPORT and the two families make
// them, are one port; and a rule is one, though a scan of the pod's container and one of its
// pause container may both have seen it.
type portKey struct {
	way      Way
	protocol socket.Protocol
	address  netip.Addr
	port     uint16
	rule     RuleEvidence
}

// gatheredPort is a port with all who are on it, each once.
type gatheredPort struct {
	PortEvidence

	holders    map[int]bool
	containers map[*snapshot.Container]bool
}

func newPortList(place int) *portList {
	return &portList{place: place, index: make(map[portKey]*gatheredPort)}
}

// add adds a port, unless it is there already.
func (l *portList) add(port PortEvidence) *gatheredPort {
	key := portKey{way: port.Way, protocol: port.Protocol, address: port.HostAddress, port: port.HostPort}
	if port.Rule != nil {
		key.rule = *port.Rule
	}
	gathered, known := l.index[key]
	if !known {
		gathered = &gatheredPort{PortEvidence: port}
		l.index[key] = gathered
		l.ports = append(l.ports, gathered)
	}
	return gathered
}

// addHolders adds processes that have a socket on the port open.
func (g *gatheredPort) addHolders(holders []snapshot.Holder) {
	if g.holders == nil {
		g.holders = make(map[int]bool)
	}
	for _, holder := range holders {
		switch {
		case g.holders[holder.PID]:
			continue
		case len(g.Processes) < maxEvidence:
			g.Processes = append(g.Processes, ProcessEvidence{PID: holder.PID, Command: holder.Command})
		default:
			g.MoreProcesses++
		}
		g.holders[holder.PID] = true
	}
}

// addContainer adds another container that listens on the port.
func (g *gatheredPort) addContainer(container *snapshot.Container) {
	if g.containers == nil {
		g.containers = make(map[*snapshot.Container]bool)
	}
	switch {
	case g.containers[container]:
		return
	case len(g.OtherContainers) < maxEvidence:
		g.OtherContainers = append(g.OtherContainers, container.ID)
	default:
		g.MoreOtherContainers++
	}
	g.containers[container] = true
}

// evidence returns the first of the ports, and counts the rest.
func (l *portList) evidence(host nsinspect.ID) *HostPortEvidence {
	slices.SortStableFunc(l.ports, comparePorts)
	evidence := &HostPortEvidence{Namespace: host}
	for i, port := range l.ports {
		if i == maxPortEvidence {
			evidence.MorePorts = len(l.ports) - maxPortEvidence
			break
		}
		evidence.Ports = append(evidence.Ports, port.PortEvidence)
	}
	return evidence
}
