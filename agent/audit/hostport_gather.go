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

	// moreHolders, moreContainers and moreClaimants are those that the evidence does not name.
	moreHolders    map[int]bool
	moreContainers map[string]bool
	moreClaimants  map[string]bool
	// uncounted are holders that the snapshot does not name: at least as many as of the socket
	// with the most, since two sockets of a port may have the same.
	uncounted int
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

// addHolders adds processes that have a socket on the port open, and more that the snapshot
// does not name.
func (g *gatheredPort) addHolders(holders []snapshot.Holder, more int) {
	for _, holder := range holders {
		named := slices.ContainsFunc(g.Processes, func(p ProcessEvidence) bool { return p.PID == holder.PID })
		switch {
		case named:
		case len(g.Processes) < maxEvidence:
			g.Processes = append(g.Processes, ProcessEvidence{PID: holder.PID, Command: holder.Command})
		default:
			count(&g.moreHolders, holder.PID)
		}
	}
	g.uncounted = max(g.uncounted, more)
	g.MoreProcesses = len(g.moreHolders) + g.uncounted
}

// addContainer adds another container that listens on the port.
func (g *gatheredPort) addContainer(id string) {
	addID(&g.OtherContainers, &g.MoreOtherContainers, &g.moreContainers, id)
}

// addClaimant adds another container that declares the port.
func (g *gatheredPort) addClaimant(id string) {
	addID(&g.DeclaredFor, &g.MoreDeclaredFor, &g.moreClaimants, id)
}

// addID adds an id to those that the evidence names, or counts it among those that it does not.
func addID(named *[]string, more *int, unnamed *map[string]bool, id string) {
	switch {
	case slices.Contains(*named, id):
	case len(*named) < maxEvidence:
		*named = append(*named, id)
	default:
		*more = count(unnamed, id)
	}
}

// count adds an item to a set, and returns how many are in it.
func count[T comparable](set *map[T]bool, item T) int {
	if *set == nil {
		*set = make(map[T]bool)
	}
	(*set)[item] = true
	return len(*set)
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
