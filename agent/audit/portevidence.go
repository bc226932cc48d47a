package audit

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// sameAs says whether two pieces of evidence are about one port, and the same way to it.
func (p *PortEvidence) sameAs(other *PortEvidence) bool {
	if p.Way != other.Way || p.Rule != nil && *p.Rule != *other.Rule {
		return false
	}
	return p.Protocol == other.Protocol && p.HostPort == other.HostPort && p.HostAddress == other.HostAddress
}

// join takes over who else is on the same port.
func (p *PortEvidence) join(other *PortEvidence) {
	for _, process := range other.Processes {
		known := slices.ContainsFunc(p.Processes, func(e ProcessEvidence) bool { return e.PID == process.PID })
		if !known && len(p.Processes) < maxEvidence {
			p.Processes = append(p.Processes, process)
		}
	}
	for _, id := range other.OtherContainers {
		if !slices.Contains(p.OtherContainers, id) && len(p.OtherContainers) < maxEvidence {
			p.OtherContainers = append(p.OtherContainers, id)
		}
	}
}

// comparePorts orders ports as people count them.
func comparePorts(a, b PortEvidence) int {
	return cmp.Or(
		cmp.Compare(a.HostPort, b.HostPort),
		cmp.Compare(a.Protocol, b.Protocol),
		a.HostAddress.Compare(b.HostAddress),
	)
}

func processEvidence(holders []snapshot.Holder) []ProcessEvidence {
	var processes []ProcessEvidence
	for _, holder := range holders[:min(len(holders), maxEvidence)] {
		processes = append(processes, ProcessEvidence{PID: holder.PID, Command: holder.Command})
	}
	return processes
}

func shadowEvidence(sockets []snapshot.Socket) []ShadowEvidence {
	var shadows []ShadowEvidence
	for _, socket := range sockets[:min(len(sockets), maxEvidence)] {
		shadows = append(shadows, ShadowEvidence{
			Address: socket.Address, UID: socket.UID, Processes: processEvidence(socket.Holders),
		})
	}
	return shadows
}

// covers says whether a socket or forward on an address of the host is what was asked for
// on another. The zero address and an unspecified one stand for all.
func covers(asked, actual netip.Addr) bool {
	return isAll(asked) || asked == actual.Unmap()
}

func isAll(address netip.Addr) bool { return !address.IsValid() || address.IsUnspecified() }
