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

// judgePorts returns the findings about ports, and what could not be judged.
func judgePorts(snap *snapshot.Snapshot) ([]Finding, []Unknown) {
	if _, ok := snap.Host.Namespaces.Get(nsinspect.Net); !ok {
		return nil, nil // Without the host there is no verdict.
	}
	j := portJudge{
		snap:      snap,
		verdicts:  make(map[verdictKey][]PortEvidence),
		listening: listening(snap),
	}
	j.unseen()
	for _, pod := range podsOf(snap) {
		j.judge(pod)
	}
	return j.findings(), j.unknown
}

// portJudge collects verdicts.
type portJudge struct {
	snap     *snapshot.Snapshot
	verdicts map[verdictKey][]PortEvidence
	// order is in which the verdicts came.
	order   []verdictKey
	unknown []Unknown
	// listening are the containers by what their sockets listen on.
	listening map[endpoint][]*snapshot.Container
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

// unseen notes what was not seen of the node, and then what of single containers beyond
// that: how a targeted scan fared is known of its containers only.
func (j *portJudge) unseen() {
	var known []snapshot.Gap
	if ports := j.snap.Ports; ports != nil {
		for _, protocol := range slices.Sorted(maps.Keys(ports.NoSockets)) {
			gap := socketsGap(protocol, ports.NoSockets[protocol])
			known = append(known, gap)
			j.unknown = append(j.unknown, Unknown{nil, gap})
		}
		for _, gap := range ports.NoForwards {
			gap = forwardsGap(gap)
			known = append(known, gap)
			j.unknown = append(j.unknown, Unknown{nil, gap})
		}
	}
	for _, container := range sortedContainers(j.snap) {
		for _, gap := range unseenPorts(&container.Unread) {
			if !slices.Contains(known, gap) {
				j.unknown = append(j.unknown, Unknown{container, gap})
			}
		}
	}
}

// unseenPorts returns what of a container's ports was not seen, beyond what was not seen of
// all of it.
func unseenPorts(unread *snapshot.Unread) []snapshot.Gap {
	var gaps []snapshot.Gap
	for _, protocol := range slices.Sorted(maps.Keys(unread.Sockets)) {
		if gap := unread.Sockets[protocol]; !slices.Contains(unread.Gaps, gap) {
			gaps = append(gaps, socketsGap(protocol, gap))
		}
	}
	for _, gap := range unread.Forwards {
		if !slices.Contains(unread.Gaps, gap) {
			gaps = append(gaps, forwardsGap(gap))
		}
	}
	return gaps
}

func socketsGap(protocol socket.Protocol, gap snapshot.Gap) snapshot.Gap {
	gap.Detail = fmt.Sprintf("%s sockets of the host's network may be missing: %s", protocol, gap.Detail)
	return gap
}

func forwardsGap(gap snapshot.Gap) snapshot.Gap {
	gap.Detail = "forwards of the host's ports may be missing: " + gap.Detail
	return gap
}

// podsOf groups the containers of each pod; one without a pod is a group of its own.
func podsOf(snap *snapshot.Snapshot) [][]*snapshot.Container {
	var pods [][]*snapshot.Container
	index := make(map[inventory.Key]int)
	for i := range snap.Containers {
		container := &snap.Containers[i]
		key := container.Key()
		if container.SandboxID != "" {
			key.ID = container.SandboxID
		}
		at, ok := index[key]
		if !ok {
			at = len(pods)
			index[key] = at
			pods = append(pods, nil)
		}
		pods[at] = append(pods[at], container)
	}
	return pods
}

// declared is a port that a container of the pod asked for.
type declared struct {
	inventory.Port

	container *snapshot.Container
	bound     bool
}

// judge looks at the containers of one pod: a port that one of them declared may be another
// one's in fact.
func (j *portJudge) judge(pod []*snapshot.Container) {
	ports := declaredIn(pod)
	for _, container := range pod {
		for k := range container.Sockets {
			j.socket(container, &container.Sockets[k], ports)
		}
		for k := range container.Forwards {
			j.forward(container, &container.Forwards[k], ports)
		}
	}
	for k := range ports {
		if !ports[k].bound {
			j.absent(&ports[k])
		}
	}
}

// declaredIn returns what a pod's containers declare. What the sandbox repeats of them
// counts for its own only if no container that is there does.
func declaredIn(pod []*snapshot.Container) []declared {
	var ports []declared
	for _, sandbox := range []bool{false, true} {
		for _, container := range pod {
			if container.Sandbox != sandbox {
				continue
			}
			for _, port := range container.Declared.Ports {
				if !slices.ContainsFunc(ports, func(d declared) bool { return d.Port == port }) {
					ports = append(ports, declared{Port: port, container: container})
				}
			}
		}
	}
	return ports
}

// socket judges a socket that a container holds.
func (j *portJudge) socket(container *snapshot.Container, socket *snapshot.Socket, ports []declared) {
	address, port := socket.Address.Addr().Unmap(), socket.Address.Port()
	evidence := PortEvidence{
		Protocol: socket.Protocol, HostPort: port, Way: WaySocket,
		Processes: processEvidence(socket.Holders), OtherContainers: j.others(container, socket),
	}
	if !isAll(address) {
		evidence.HostAddress = address
	}
	for k := range ports {
		d := &ports[k]
		if d.Protocol == socket.Protocol && d.HostPort == port && (covers(d.HostAddress, address) || isAll(address)) {
			d.bound = true
			j.add(container, container.Declared.By, Bound, evidence)
			return
		}
	}
	j.add(container, nobody(container), Undeclared, evidence)
}

// forward judges a rule that leads to a container: to that one of the pod that declared it.
func (j *portJudge) forward(to *snapshot.Container, forward *snapshot.Forward, ports []declared) {
	evidence := PortEvidence{
		Protocol: forward.Protocol, HostAddress: forward.HostAddress.Unmap(), HostPort: forward.HostPort,
		ContainerPort: forward.Target.Port(), Way: WayDNAT,
		Rule:    &RuleEvidence{string(forward.Backend), forward.Table, forward.Chain, forward.Target},
		Shadows: shadowEvidence(forward.Shadows),
	}
	if forward.LastPort > forward.HostPort {
		evidence.LastPort = forward.LastPort
	}
	container, by, verdict := to, nobody(to), Undeclared
	for k := range ports {
		d := &ports[k]
		within := d.HostPort >= forward.HostPort && d.HostPort <= max(forward.HostPort, forward.LastPort)
		if d.Protocol == forward.Protocol && within && covers(d.HostAddress, forward.HostAddress) {
			d.bound = true
			container, by, verdict = d.container, d.container.Declared.By, Bound
		}
	}
	j.add(container, by, verdict, evidence)
	if len(evidence.Shadows) > 0 {
		j.add(container, by, Shadows, evidence)
	}
}

// absent judges a port that was declared and leads nowhere, as far as was seen.
func (j *portJudge) absent(d *declared) {
	container := d.container
	var why *snapshot.Gap
	if slices.Contains(container.Declared.Host, nsinspect.Net) {
		if container.Age < Grace || container.Sandbox {
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
	j.add(container, container.Declared.By, NotInEffect, PortEvidence{
		Protocol: d.Protocol, HostAddress: d.HostAddress, HostPort: d.HostPort, ContainerPort: d.ContainerPort,
	})
}

// unseenSockets returns why the absence of a container's socket proves nothing, or nil.
func unseenSockets(container *snapshot.Container, protocol socket.Protocol) *snapshot.Gap {
	if gap, ok := container.Unread.Sockets[protocol]; ok {
		return &gap
	}
	if len(container.Unread.Gaps) > 0 {
		return &container.Unread.Gaps[0]
	}
	return nil
}

// unseenForwards returns why the absence of a forward to a container proves nothing, or nil.
func unseenForwards(container *snapshot.Container) *snapshot.Gap {
	for _, gaps := range [][]snapshot.Gap{container.Unread.Forwards, container.Unread.Opaque} {
		if len(gaps) > 0 {
			return &gaps[0]
		}
	}
	return nil
}

// nobody is who declared a port of the container that nobody is known to have declared.
func nobody(container *snapshot.Container) inventory.Declarer {
	if container.Declared.PortsDetail != "" {
		return inventory.ByUnknown
	}
	return undeclaredBy(container)
}

// others returns the other containers that listen on the same.
func (j *portJudge) others(container *snapshot.Container, socket *snapshot.Socket) []string {
	var ids []string
	for _, other := range j.listening[endpoint{socket.Protocol, socket.Address}] {
		if other != container && len(ids) < maxEvidence {
			ids = append(ids, other.ID)
		}
	}
	return ids
}

func listening(snap *snapshot.Snapshot) map[endpoint][]*snapshot.Container {
	containers := make(map[endpoint][]*snapshot.Container)
	for i := range snap.Containers {
		container := &snap.Containers[i]
		for _, socket := range container.Sockets {
			at := endpoint{socket.Protocol, socket.Address}
			if !slices.Contains(containers[at], container) {
				containers[at] = append(containers[at], container)
			}
		}
	}
	return containers
}

// add puts a port into the finding that it belongs to. Sockets on one port, as SO_REUSEPORT
// and the two families make them, are one port; and a rule is one, though a scan of the pod's
// container and one of its pause container may both have seen it.
func (j *portJudge) add(container *snapshot.Container, by inventory.Declarer, verdict Verdict, port PortEvidence) {
	key := verdictKey{container, by, verdict}
	ports := j.verdicts[key]
	for k := range ports {
		if ports[k].sameAs(&port) {
			ports[k].join(&port)
			return
		}
	}
	if len(ports) == 0 {
		j.order = append(j.order, key)
	}
	j.verdicts[key] = append(ports, port)
}

func (j *portJudge) findings() []Finding {
	var findings []Finding
	host, _ := j.snap.Host.Namespaces.Get(nsinspect.Net)
	for _, key := range j.order {
		ports := j.verdicts[key]
		slices.SortStableFunc(ports, comparePorts)
		named := ports[:min(len(ports), maxPortEvidence)]
		findings = append(findings, Finding{
			Check: HostPort, Verdict: key.verdict, DeclaredBy: key.by, Container: key.container,
			Evidence: Evidence{Kind: nsinspect.Net, Namespace: host, Ports: named, MorePorts: len(ports) - len(named)},
			Controls: hostPortControls(),
		})
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(compareContainers(a.Container, b.Container), cmp.Compare(a.Reason(), b.Reason()), cmp.Compare(a.DeclaredBy, b.DeclaredBy))
	})
	return findings
}
