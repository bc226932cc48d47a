// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// portJudge collects the verdicts on ports.
type portJudge struct {
	// listening are the containers by what their sockets listen on.
	listening map[endpoint][]*snapshot.Container
	// declared is what the containers of each pod declare, and claims are that of all pods, by
	// protocol and ordered by port.
	declared [][]*declared
	claims   map[socket.Protocol][]claim
	verdicts map[verdictKey]*portList
	unknown  []Unknown
}

// verdictKey is what the ports of one finding have in common.
type verdictKey struct {
	container *snapshot.Container
	by        inventory.Declarer
	verdict   Verdict
}

// endpoint is what a socket listens on.
type endpoint struct {
	protocol socket.Protocol
	address  netip.AddrPort
}

// listening returns the containers by what their sockets listen on, each once.
func listening(snap *snapshot.Snapshot) map[endpoint][]*snapshot.Container {
	containers := make(map[endpoint][]*snapshot.Container)
	for i := range snap.Containers {
		container := &snap.Containers[i]
		for k := range container.Sockets {
			at := endpoint{container.Sockets[k].Protocol, container.Sockets[k].Address}
			if known := containers[at]; len(known) == 0 || known[len(known)-1] != container {
				containers[at] = append(known, container)
			}
		}
	}
	return containers
}

// declared is a port that a container of the pod declares.
type declared struct {
	inventory.Port

	container *snapshot.Container
	// bound is set once something leads from it to the pod.
	bound bool
}

// pod judges the containers of one pod: a port that one of them declared may be another
// one's in fact.
func (j *portJudge) pod(number int, containers []*snapshot.Container) {
	ports := j.declared[number]
	for _, container := range containers {
		for k := range container.Sockets {
			j.socket(container, &container.Sockets[k], ports)
		}
		for k := range container.Forwards {
			j.forward(container, &container.Forwards[k], number)
		}
	}
	for _, port := range ports {
		if !port.bound {
			j.absent(port)
		}
	}
}

// declaredIn returns what a pod's containers declare. What the sandbox repeats of them
// counts for its own only if no container that is there does.
func declaredIn(pod []*snapshot.Container) []*declared {
	var ports []*declared
	known := make(map[inventory.Port]bool)
	for _, sandbox := range []bool{false, true} {
		for _, container := range pod {
			if container.Sandbox != sandbox {
				continue
			}
			for _, port := range container.Declared.Ports {
				if !known[port] {
					known[port] = true
					ports = append(ports, &declared{Port: port, container: container})
				}
			}
		}
	}
	return ports
}

// socket judges a socket that a container holds.
func (j *portJudge) socket(container *snapshot.Container, socket *snapshot.Socket, ports []*declared) {
	address, port := socket.Address.Addr().Unmap(), socket.Address.Port()
	evidence := PortEvidence{Protocol: socket.Protocol, HostPort: port, Way: WaySocket}
	if !isAll(address) {
		evidence.HostAddress = address
	}
	verdict, by := Undeclared, undeclaredPortBy(container)
	if by == inventory.ByNobody && container.Declared.Asks(nsinspect.Net) {
		verdict, by = Unlisted, container.Declared.By
	}
	for _, d := range ports {
		if d.Protocol != socket.Protocol || d.HostPort != port {
			continue
		}
		d.bound = d.bound || isAll(address) // It listens there, if not there alone.
		if covers(d.HostAddress, address) {
			d.bound = true
			verdict, by = Bound, container.Declared.By
			break
		}
	}
	gathered := j.add(verdictKey{container, by, verdict}, evidence)
	gathered.addHolders(socket.Holders, socket.MoreHolders)
	for _, other := range j.listening[endpoint{socket.Protocol, socket.Address}] {
		if other != container {
			gathered.addContainer(other.ID)
		}
	}
}

// absent judges a port that was declared and leads nowhere, as far as was seen.
func (j *portJudge) absent(d *declared) {
	container := d.container
	var why *snapshot.Gap
	if container.Declared.Asks(nsinspect.Net) {
		if isYoung(container) || container.Sandbox {
			return // It may not listen yet, or the container that was to listen is not there.
		}
		why = unseenSockets(container, d.Protocol)
	} else {
		why = unseenForwards(container)
	}
	if why != nil {
		detail := fmt.Sprintf("it declares host port %d/%s, which can't be verified here: %s", d.HostPort, d.Protocol, why.Detail)
		j.unknown = append(j.unknown, Unknown{container, snapshot.Gap{Cause: why.Cause, Detail: detail}})
		return
	}
	j.add(verdictKey{container, container.Declared.By, NotInEffect}, PortEvidence{
		Protocol: d.Protocol, HostAddress: d.HostAddress, HostPort: d.HostPort, ContainerPort: d.ContainerPort,
	})
}

// undeclaredPortBy is who declared a port of the container that nobody is known to have
// declared.
func undeclaredPortBy(container *snapshot.Container) inventory.Declarer {
	if container.Declared.PortsDetail != "" {
		return inventory.ByUnknown
	}
	return undeclaredBy(container)
}

// add puts a port into the finding that it belongs to.
func (j *portJudge) add(key verdictKey, port PortEvidence) *gatheredPort {
	if j.verdicts[key] == nil {
		j.verdicts[key] = newPortList(len(j.verdicts))
	}
	return j.verdicts[key].add(port)
}

// sorted returns the findings in a stable order.
func (j *portJudge) sorted() []verdictKey {
	return slices.SortedFunc(maps.Keys(j.verdicts), func(a, b verdictKey) int {
		return cmp.Or(
			compareContainers(a.container, b.container),
			cmp.Compare(HostPort.Reason(a.verdict), HostPort.Reason(b.verdict)),
			cmp.Compare(a.by, b.by),
			cmp.Compare(j.verdicts[a].place, j.verdicts[b].place),
		)
	})
}

// covers reports whether a socket or forward on an address of the host is what was declared
// for another. The zero address and an unspecified one stand for all.
func covers(asked, actual netip.Addr) bool {
	return isAll(asked) || asked == actual.Unmap()
}

func isAll(address netip.Addr) bool { return !address.IsValid() || address.IsUnspecified() }
