// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

func tcp(port uint16) inventory.Port {
	return inventory.Port{Protocol: socket.TCP, HostPort: port, ContainerPort: 8080}
}

// listens is a TCP socket on all addresses.
func listens(port uint16, pids ...int) snapshot.Socket {
	socket := snapshot.Socket{Socket: nstest.Listener(port)}
	for _, pid := range pids {
		socket.Holders = append(socket.Holders, snapshot.Holder{PID: pid, Command: "server"})
	}
	return socket
}

// leads is a forward to the pod.
func leads(port uint16, shadows ...snapshot.Socket) snapshot.Forward {
	return snapshot.Forward{Forward: nstest.Forward(port), Shadows: shadows}
}

// leadsFrom is a forward of a range of ports to the pod.
func leadsFrom(first, last uint16) snapshot.Forward {
	forward := leads(first)
	forward.LastPort = last
	return forward
}

// declaring is a container of another pod that declares ports.
func declaring(id string, ports ...inventory.Port) []snapshot.Container {
	declared := inventory.Declaration{By: inventory.ByPod, Ports: ports}
	return []snapshot.Container{{Container: inventory.Container{ID: id, RuntimeNamespace: "k8s.io", SandboxID: id + "-box", Declared: declared}, Age: time.Hour}}
}

// podOf returns a pause container and a container that declare ports.
func podOf(hostNetwork bool, forwards []snapshot.Forward, sockets []snapshot.Socket, ports ...inventory.Port) []snapshot.Container {
	declared := inventory.Declaration{By: inventory.ByPod, Ports: ports}
	if hostNetwork {
		declared.Host = []nsinspect.Kind{nsinspect.Net}
	}
	return []snapshot.Container{
		{Container: inventory.Container{ID: "box", RuntimeNamespace: "k8s.io", Sandbox: true, SandboxID: "box", Declared: declared}, Forwards: forwards},
		{Container: inventory.Container{ID: "c", RuntimeNamespace: "k8s.io", SandboxID: "box", Declared: declared}, Sockets: sockets, Age: time.Hour},
	}
}

// outsidePods returns a container that belongs to no pod.
func outsidePods(declared inventory.Declaration, sockets ...snapshot.Socket) []snapshot.Container {
	return []snapshot.Container{{Container: inventory.Container{ID: "web", RuntimeNamespace: "default", Declared: declared}, Sockets: sockets, Age: time.Hour}}
}

// lookedAt is a snapshot of containers whose ports were seen as far as the coverage tells.
func lookedAt(containers []snapshot.Container, ports *snapshot.PortCoverage) *snapshot.Snapshot {
	for i := range containers {
		ports.Mark(&containers[i].Unread)
	}
	return &snapshot.Snapshot{Host: nstest.Host(), Containers: containers, Ports: ports}
}

// verdict is the part of a finding about ports that is compared.
type verdict struct {
	Container string
	By        inventory.Declarer
	Verdict   Verdict
	Ports     []string
}

func portsOf(finding Finding) *HostPortEvidence { return finding.Evidence.(*HostPortEvidence) }

func verdictsOf(findings []Finding) []verdict {
	var verdicts []verdict
	for _, finding := range findings {
		v := verdict{finding.Container.ID, finding.DeclaredBy, finding.Verdict, nil}
		for _, port := range portsOf(finding).Ports {
			text := fmt.Sprintf("%d %s", port.HostPort, port.Way)
			if port.LastPort > 0 {
				text = fmt.Sprintf("%d-%d %s", port.HostPort, port.LastPort, port.Way)
			}
			if port.HostAddress.IsValid() {
				text = port.HostAddress.String() + ":" + text
			}
			if len(port.Processes) > 0 {
				text += " " + port.Processes[0].Command
			}
			if len(port.DeclaredFor) > 0 {
				text += " of " + strings.Join(port.DeclaredFor, ", ")
			}
			v.Ports = append(v.Ports, text)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

func TestJudgePorts(t *testing.T) {
	t.Parallel()
	loopback := leads(9000)
	loopback.HostAddress = netip.MustParseAddr("127.0.0.1")
	tests := map[string]struct {
		containers []snapshot.Container
		ports      snapshot.PortCoverage
		want       []verdict
		unknown    []string
	}{
		"declared and forwarded": {
			containers: podOf(false, []snapshot.Forward{leads(9000)}, nil, tcp(9000)),
			want:       []verdict{{"c", inventory.ByPod, Bound, []string{"9000 DNAT"}}},
		},
		"forwarded and declared by nobody": {
			containers: podOf(false, []snapshot.Forward{leads(9000)}, nil),
			want:       []verdict{{"box", inventory.ByNobody, Undeclared, []string{"9000 DNAT"}}},
		},
		"forwarded from all addresses, declared for one": {
			containers: podOf(false, []snapshot.Forward{leads(9000)}, nil, inventory.Port{Protocol: socket.TCP, HostAddress: netip.MustParseAddr("127.0.0.1"), HostPort: 9000}),
			want: []verdict{
				{"box", inventory.ByNobody, Undeclared, []string{"9000 DNAT"}},
				{"c", inventory.ByPod, NotInEffect, []string{"127.0.0.1:9000 "}},
			},
		},
		"forwarded from the address that was declared": {
			containers: podOf(false, []snapshot.Forward{loopback}, nil, inventory.Port{Protocol: socket.TCP, HostAddress: netip.MustParseAddr("127.0.0.1"), HostPort: 9000}),
			want:       []verdict{{"c", inventory.ByPod, Bound, []string{"127.0.0.1:9000 DNAT"}}},
		},
		"a range, one port of which is declared": {
			containers: podOf(false, []snapshot.Forward{leadsFrom(2, 65535)}, nil, tcp(9000)),
			want: []verdict{
				{"box", inventory.ByNobody, Undeclared, []string{"2-8999 DNAT", "9001-65535 DNAT"}},
				{"c", inventory.ByPod, Bound, []string{"9000 DNAT"}},
			},
		},
		"a range that is declared": {
			containers: podOf(false, []snapshot.Forward{leadsFrom(9000, 9002)}, nil, tcp(9000), tcp(9001), tcp(9002)),
			want:       []verdict{{"c", inventory.ByPod, Bound, []string{"9000-9002 DNAT"}}},
		},
		"forwarded to one and declared by another": {
			containers: append(podOf(false, []snapshot.Forward{leadsFrom(9000, 9001)}, nil), declaring("victim", tcp(9000))...),
			want: []verdict{
				{"box", inventory.ByNobody, Hijacks, []string{"9000 DNAT of victim"}},
				{"box", inventory.ByNobody, Undeclared, []string{"9001 DNAT"}},
				{"victim", inventory.ByPod, NotInEffect, []string{"9000 "}},
			},
		},
		"forwarded to one and declared by another for another address": {
			containers: append(podOf(false, []snapshot.Forward{leads(9000)}, nil), declaring("victim",
				inventory.Port{Protocol: socket.TCP, HostAddress: netip.MustParseAddr("127.0.0.1"), HostPort: 9000})...),
			want: []verdict{
				{"box", inventory.ByNobody, Undeclared, []string{"9000 DNAT"}},
				{"victim", inventory.ByPod, NotInEffect, []string{"127.0.0.1:9000 "}},
			},
		},
		"forwarded to both that declare it": {
			containers: append(podOf(false, []snapshot.Forward{leads(9000)}, nil, tcp(9000)), declaring("victim", tcp(9000))...),
			want: []verdict{
				{"c", inventory.ByPod, Bound, []string{"9000 DNAT"}},
				{"victim", inventory.ByPod, NotInEffect, []string{"9000 "}},
			},
		},
		"declared for loopback, and listens everywhere": {
			containers: podOf(true, nil, []snapshot.Socket{listens(8080, 7)}, inventory.Port{Protocol: socket.TCP, HostAddress: netip.MustParseAddr("127.0.0.1"), HostPort: 8080}),
			want:       []verdict{{"c", inventory.ByPod, Unlisted, []string{"8080 socket server"}}},
		},
		"declared and not forwarded": {
			containers: podOf(false, nil, nil, tcp(9000)),
			want:       []verdict{{"c", inventory.ByPod, NotInEffect, []string{"9000 "}}},
		},
		"declared, and forwards can't be read": {
			containers: podOf(false, nil, nil, tcp(9000)),
			ports:      snapshot.PortCoverage{NoForwards: []snapshot.Gap{{Cause: snapshot.CauseDenied, Detail: "no right"}}},
			unknown: []string{
				"forwards of the host's ports may be missing: no right",
				"it declares host port 9000/TCP, which can't be verified here: no right",
			},
		},
		"declared, and the network forwards without rules": {
			containers: podOf(false, nil, nil, tcp(9000)),
			ports:      snapshot.PortCoverage{Datapath: "Cilium"},
			unknown:    []string{"it declares host port 9000/TCP, which can't be verified here: Cilium forwards without rules, by programs in the kernel"},
		},
		"declared, and there are rules of another form": {
			containers: podOf(false, nil, nil, tcp(9000)),
			ports:      snapshot.PortCoverage{Ignored: 2, Opaque: []snapshot.Gap{{Cause: snapshot.CauseRead, Detail: "2 rules send packets elsewhere"}}},
			unknown: []string{
				"the host's ports may lead into any container: 2 rules send packets elsewhere",
				"it declares host port 9000/TCP, which can't be verified here: 2 rules send packets elsewhere",
			},
		},
		"a forward before a listener of the host": {
			containers: podOf(false, []snapshot.Forward{leads(22, listens(22, 1))}, nil, tcp(22)),
			want: []verdict{
				{"c", inventory.ByPod, Bound, []string{"22 DNAT"}},
				{"c", inventory.ByPod, Shadows, []string{"22 DNAT"}},
			},
		},
		"in the host's network": {
			containers: podOf(true, nil, []snapshot.Socket{listens(8080, 7), listens(9090, 8, 9)}, tcp(8080)),
			want: []verdict{
				{"c", inventory.ByPod, Bound, []string{"8080 socket server"}},
				{"c", inventory.ByPod, Unlisted, []string{"9090 socket server"}},
			},
		},
		"in the host's network by a runtime spec, which lists no ports": {
			containers: outsidePods(inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net}}, listens(9090, 8)),
			want:       []verdict{{"web", inventory.BySpec, Unlisted, []string{"9090 socket server"}}},
		},
		"in the host's network, by nobody": {
			containers: outsidePods(inventory.Declaration{By: inventory.BySpec}, listens(9090, 8)),
			want:       []verdict{{"web", inventory.ByNobody, Undeclared, []string{"9090 socket server"}}},
		},
		"in the host's network, and which ports are listed is unknown": {
			containers: outsidePods(inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net}, PortsDetail: "Docker"}, listens(9090, 8)),
			want:       []verdict{{"web", inventory.ByUnknown, Undeclared, []string{"9090 socket server"}}},
		},
		"a rule that forwards to a container in the host's network is not what it asked for": {
			containers: podOf(true, []snapshot.Forward{leads(9000)}, nil),
			want:       []verdict{{"box", inventory.ByNobody, Undeclared, []string{"9000 DNAT"}}},
		},
		"in the host's network, and nobody listens": {
			containers: podOf(true, nil, nil, tcp(8080)),
			want:       []verdict{{"c", inventory.ByPod, NotInEffect, []string{"8080 "}}},
		},
		"in the host's network, and sockets can't be read": {
			containers: podOf(true, nil, nil, tcp(8080)),
			ports:      snapshot.PortCoverage{NoSockets: map[socket.Protocol]snapshot.Gap{socket.TCP: {Cause: snapshot.CauseRead, Detail: "malformed"}}},
			unknown: []string{
				"TCP sockets of the host's network may be missing: malformed",
				"it declares host port 8080/TCP, which can't be verified here: malformed",
			},
		},
		"SO_REUSEPORT": {
			containers: podOf(true, nil, []snapshot.Socket{listens(8080, 7), listens(8080, 8)}, tcp(8080)),
			want:       []verdict{{"c", inventory.ByPod, Bound, []string{"8080 socket server"}}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings, unknown := hostPort().Judge(&node{Snapshot: lookedAt(test.containers, &test.ports)})
			if diff := cmp.Diff(test.want, verdictsOf(findings)); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
			var reasons []string
			for _, u := range unknown {
				reasons = append(reasons, u.Detail)
			}
			if diff := cmp.Diff(test.unknown, reasons); diff != "" {
				t.Errorf("unknown (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPortsOfAYoungContainer has a container that had no time to listen yet.
func TestPortsOfAYoungContainer(t *testing.T) {
	t.Parallel()
	containers := podOf(true, nil, nil, tcp(8080))
	containers[1].Age = grace - time.Second
	findings, unknown := hostPort().Judge(&node{Snapshot: lookedAt(containers, &snapshot.PortCoverage{})})
	if len(findings)+len(unknown) > 0 {
		t.Errorf("a container that just started is judged: %v %v", findings, unknown)
	}
}

// TestSharedSocket has two containers that listen on one port: each has a finding that
// names the other.
func TestSharedSocket(t *testing.T) {
	t.Parallel()
	containers := []snapshot.Container{
		{Container: inventory.Container{ID: "a", Declared: inventory.Declaration{By: inventory.BySpec}}, Sockets: []snapshot.Socket{listens(8080, 7)}},
		{Container: inventory.Container{ID: "b", Declared: inventory.Declaration{By: inventory.BySpec, PortsDetail: "Docker"}}, Sockets: []snapshot.Socket{listens(8080, 8)}},
	}
	findings, _ := hostPort().Judge(&node{Snapshot: lookedAt(containers, &snapshot.PortCoverage{})})
	want := []verdict{
		{"a", inventory.ByNobody, Undeclared, []string{"8080 socket server"}},
		{"b", inventory.ByUnknown, Undeclared, []string{"8080 socket server"}},
	}
	if diff := cmp.Diff(want, verdictsOf(findings)); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	for i, other := range []string{"b", "a"} {
		if diff := cmp.Diff([]string{other}, portsOf(findings[i]).Ports[0].OtherContainers); diff != "" {
			t.Errorf("other containers (-want +got):\n%s", diff)
		}
	}
}

// TestManyPorts has a container that listens on more ports than a finding names.
func TestManyPorts(t *testing.T) {
	t.Parallel()
	var sockets []snapshot.Socket
	for port := uint16(1000); port < 1100; port++ {
		sockets = append(sockets, listens(port, 7))
	}
	containers := podOf(true, nil, sockets)
	findings, _ := hostPort().Judge(&node{Snapshot: lookedAt(containers, &snapshot.PortCoverage{})})
	evidence := portsOf(findings[0])
	if len(evidence.Ports) != maxPortEvidence || evidence.MorePorts != 100-maxPortEvidence || evidence.Ports[0].HostPort != 1000 {
		t.Errorf("%d ports from %d on, and %d more", len(evidence.Ports), evidence.Ports[0].HostPort, evidence.MorePorts)
	}
}
