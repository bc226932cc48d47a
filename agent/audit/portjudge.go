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
	if snap.Ports == nil {
		return nil, nil
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
	unknown  []Unknown
	// listening are the containers by what their sockets listen on.
	listening map[endpoint][]int
}

// verdictKey is what the ports of one finding have in common.
type verdictKey struct {
	container int
	by        inventory.Declarer
	reason    string
}

// endpoint is what a socket listens on.
type endpoint struct {
	protocol socket.Protocol
	address  netip.AddrPort
}

// unseen notes what of the node was not seen.
func (j *portJudge) unseen() {
	for _, protocol := range slices.Sorted(maps.Keys(j.snap.Ports.NoSockets)) {
		gap := j.snap.Ports.NoSockets[protocol]
		gap.Reason = fmt.Sprintf("%s sockets of the host's network may be missing: %s", protocol, gap.Reason)
		j.unknown = append(j.unknown, Unknown{-1, gap})
	}
	for _, gap := range j.snap.Ports.NoForwards {
		gap.Reason = "forwards of the host's ports may be missing: " + gap.Reason
		j.unknown = append(j.unknown, Unknown{-1, gap})
	}
}

// podsOf groups the containers of each pod; one without a pod is a group of its own.
func podsOf(snap *snapshot.Snapshot) [][]int {
	var pods [][]int
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
		pods[at] = append(pods[at], i)
	}
	return pods
}

// declared is a port that a container of the pod asked for.
type declared struct {
	inventory.Port

	container int
	bound     bool
}

// judge looks at the containers of one pod: a port that one of them declared may be another
// one's in fact.
func (j *portJudge) judge(pod []int) {
	ports := j.declaredIn(pod)
	for _, i := range pod {
		container := &j.snap.Containers[i]
		for k := range container.Sockets {
			j.socket(i, &container.Sockets[k], ports)
		}
		for k := range container.Forwards {
			j.forward(i, &container.Forwards[k], ports)
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
func (j *portJudge) declaredIn(pod []int) []declared {
	var ports []declared
	for _, sandbox := range []bool{false, true} {
		for _, i := range pod {
			container := &j.snap.Containers[i]
			if container.Sandbox != sandbox {
				continue
			}
			for _, port := range container.Declared.Ports {
				if !slices.ContainsFunc(ports, func(d declared) bool { return d.Port == port }) {
					ports = append(ports, declared{Port: port, container: i})
				}
			}
		}
	}
	return ports
}

// socket judges a socket that a container holds.
func (j *portJudge) socket(i int, socket *snapshot.Socket, ports []declared) {
	address, port := socket.Address.Addr().Unmap(), socket.Address.Port()
	evidence := PortEvidence{
		Protocol: socket.Protocol, HostPort: port, Way: WaySocket,
		Processes: processEvidence(socket.Holders), OtherContainers: j.others(i, socket),
	}
	if !isAll(address) {
		evidence.HostAddress = address
	}
	for k := range ports {
		d := &ports[k]
		if d.Protocol == socket.Protocol && d.HostPort == port && (covers(d.HostAddress, address) || isAll(address)) {
			d.bound = true
			j.add(i, j.snap.Containers[i].Declared.By, HostPortBound, evidence)
			return
		}
	}
	j.add(i, j.nobody(i), UndeclaredHostPort, evidence)
}

// forward judges a rule that leads to a container: to that one of the pod that declared it.
func (j *portJudge) forward(i int, forward *snapshot.Forward, ports []declared) {
	evidence := PortEvidence{
		Protocol: forward.Protocol, HostAddress: forward.HostAddress.Unmap(), HostPort: forward.HostPort,
		ContainerPort: forward.Target.Port(), Way: WayDNAT,
		Rule:    &RuleEvidence{forward.Backend, forward.Table, forward.Chain, forward.Target},
		Shadows: shadowEvidence(forward.Shadows),
	}
	if forward.LastPort > forward.HostPort {
		evidence.LastPort = forward.LastPort
	}
	container, by, reason := i, j.nobody(i), UndeclaredHostPort
	for k := range ports {
		d := &ports[k]
		within := d.HostPort >= forward.HostPort && d.HostPort <= max(forward.HostPort, forward.LastPort)
		if d.Protocol == forward.Protocol && within && covers(d.HostAddress, forward.HostAddress) {
			d.bound = true
			container, by, reason = d.container, j.snap.Containers[d.container].Declared.By, HostPortBound
		}
	}
	j.add(container, by, reason, evidence)
	if len(evidence.Shadows) > 0 {
		j.add(container, by, HostPortShadows, evidence)
	}
}

// absent judges a port that was declared and leads nowhere, as far as was seen.
func (j *portJudge) absent(d *declared) {
	container := &j.snap.Containers[d.container]
	var why *snapshot.Gap
	if slices.Contains(container.Declared.Host, nsinspect.Net) {
		if container.Age < Grace || container.Sandbox {
			return // It may not listen yet, or the container that was to listen is not there.
		}
		why = j.unseenSockets(container, d.Protocol)
	} else {
		why = j.unseenForwards()
	}
	if why != nil {
		reason := fmt.Sprintf("it declares host port %d/%s, which can't be verified here: %s", d.HostPort, d.Protocol, why.Reason)
		j.unknown = append(j.unknown, Unknown{d.container, snapshot.Gap{Cause: why.Cause, Reason: reason}})
		return
	}
	j.add(d.container, container.Declared.By, HostPortNotInEffect, PortEvidence{
		Protocol: d.Protocol, HostAddress: d.HostAddress, HostPort: d.HostPort, ContainerPort: d.ContainerPort,
	})
}

// unseenSockets says why the absence of a container's socket proves nothing.
func (j *portJudge) unseenSockets(container *snapshot.Container, protocol socket.Protocol) *snapshot.Gap {
	if gap, ok := j.snap.Ports.NoSockets[protocol]; ok {
		return &gap
	}
	if len(container.Unknown) > 0 {
		return &container.Unknown[0]
	}
	return nil
}

// unseenForwards says why the absence of a forward proves nothing.
func (j *portJudge) unseenForwards() *snapshot.Gap {
	if gaps := j.snap.Ports.NoForwards; len(gaps) > 0 {
		return &gaps[0]
	}
	if n := j.snap.Ports.Ignored; n > 0 {
		return &snapshot.Gap{Cause: snapshot.CauseRead, Reason: fmt.Sprintf("%d rules rewrite destinations in a form that is not known", n)}
	}
	if datapath := j.snap.Ports.Datapath; datapath != "" {
		return &snapshot.Gap{Cause: snapshot.CauseDatapath, Reason: datapath + " forwards without rules, by programs in the kernel"}
	}
	return nil
}

// nobody is who declared a port of the container that nobody is known to have declared.
func (j *portJudge) nobody(i int) inventory.Declarer {
	container := &j.snap.Containers[i]
	if container.Declared.PortsReason != "" {
		return inventory.ByUnknown
	}
	return undeclaredBy(container)
}

// others returns the other containers that listen on the same.
func (j *portJudge) others(i int, socket *snapshot.Socket) []string {
	var ids []string
	for _, k := range j.listening[endpoint{socket.Protocol, socket.Address}] {
		if k != i && len(ids) < maxEvidence {
			ids = append(ids, j.snap.Containers[k].ID)
		}
	}
	return ids
}

func listening(snap *snapshot.Snapshot) map[endpoint][]int {
	containers := make(map[endpoint][]int)
	for i := range snap.Containers {
		for _, socket := range snap.Containers[i].Sockets {
			at := endpoint{socket.Protocol, socket.Address}
			if !slices.Contains(containers[at], i) {
				containers[at] = append(containers[at], i)
			}
		}
	}
	return containers
}

// add puts a port into the finding that it belongs to. Sockets on one port, as SO_REUSEPORT
// and the two families make them, are one port; and a rule is one, though a scan of the pod's
// container and one of its pause container may both have seen it.
func (j *portJudge) add(container int, by inventory.Declarer, reason string, port PortEvidence) {
	key := verdictKey{container, by, reason}
	ports := j.verdicts[key]
	for k := range ports {
		if ports[k].sameAs(&port) {
			ports[k].join(&port)
			return
		}
	}
	j.verdicts[key] = append(ports, port)
}

func (j *portJudge) findings() []Finding {
	var findings []Finding
	host, _ := j.snap.Host.Namespaces.Get(nsinspect.Net)
	for key, ports := range j.verdicts {
		slices.SortStableFunc(ports, comparePorts)
		named := ports[:min(len(ports), maxPortEvidence)]
		findings = append(findings, Finding{
			Check: HostPort, DeclaredBy: key.by, Reason: key.reason, Container: key.container,
			Evidence: Evidence{Kind: nsinspect.Net, Namespace: host, Ports: named, MorePorts: len(ports) - len(named)},
			Controls: hostPortControls(),
		})
	}
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Container, b.Container), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.DeclaredBy, b.DeclaredBy))
	})
	return findings
}
