// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"slices"
	"testing"

	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// heldAttacks hold what is the host's without being in a namespace of the host.
func heldAttacks() []scenario {
	const port, netHeld, ipcHeld, pidHeld = "UndeclaredHostPort", "HostNetworkHeld", "HostIPCHeld", "HostPIDHeld"
	return []scenario{
		{name: "a file of the host's network", in: privileged(), steps: []string{"keep:x=/host/proc/1/ns/net"}, want: finding(netHeld)},
		{name: "a file of the host's IPC", in: privileged(), steps: []string{"keep:x=/host/proc/1/ns/ipc"}, want: finding(ipcHeld)},
		{name: "a file of the host's PID namespace", in: privileged(), steps: []string{"keep:x=/host/proc/1/ns/pid"}, want: finding(pidHeld)},
		{name: "a file of the host's network, in a child", in: privilegedPod(), steps: []string{"fork", "keep:x=/host/proc/1/ns/net"}, want: finding(netHeld)},
		{
			name: "a file of the host's network, in a thread's own table", pending: true, in: privileged(), want: finding(netHeld),
			steps: []string{"thread", "unshare:files", "keep:x=/host/proc/1/ns/net"},
		},
		{name: "the host's network mounted", in: privileged(), steps: []string{"bind:/host/proc/1/ns/net,/tmp/net"}, want: finding(netHeld)},
		{name: "the host's IPC mounted", in: privileged(), steps: []string{"bind:/host/proc/1/ns/ipc,/tmp/ipc"}, want: finding(ipcHeld)},
		{
			name: "the host's queues mounted", pending: true, in: privileged(), want: finding(ipcHeld),
			steps: []string{"thread", "setns:/host/proc/1/ns/ipc", "mqueue:/tmp/mq", "setns:/proc/self/ns/ipc"},
		},
		{
			name: "a segment of the host's memory", pending: true, in: privileged(), want: finding(ipcHeld),
			steps: []string{"thread", "setns:/host/proc/1/ns/ipc", "shm", "setns:/proc/self/ns/ipc"},
		},
		{name: "a packet socket", pending: true, in: privileged(), steps: there("socket:packet"), want: finding(netHeld)},
		{name: "a route socket", pending: true, in: privileged(), steps: there("socket:route"), want: finding(netHeld)},
		{name: "an abstract UNIX socket", pending: true, in: privileged(), steps: there("socket:abstract,nsaudit-attack"), want: finding(netHeld)},
		{name: "a TCP socket that is bound to nothing", pending: true, in: privileged(), steps: there("socket:tcp"), want: finding(netHeld)},
		{name: "a tunnel's file", pending: true, in: privileged(), steps: there("tun:attack7"), want: finding(netHeld)},
		{name: "a TCP socket", in: privileged(), steps: there("socket:tcp,2001"), want: finding(port)},
		{name: "a UDP socket", in: privileged(), steps: there("socket:udp,2002"), want: finding(port)},
		{name: "a raw socket", in: privileged(), steps: there("socket:raw"), want: finding(port)},
		{name: "a TCP socket, received in a message", in: privileged(), steps: there("socket:tcp,2003", "pass"), want: finding(port)},
		{name: "a TCP socket in a message", pending: true, in: privileged(), steps: there("socket:tcp,2004", "in-flight"), want: finding(port)},
		{name: "a TCP socket in io_uring", pending: true, in: privileged(), steps: there("socket:tcp,2005", "uring"), want: finding(port)},
		{
			name: "a TCP socket in a thread's own table", pending: true, in: privileged(), want: finding(port),
			steps: []string{"thread", "unshare:files", toHostNet, "socket:tcp,2006", "setns:/proc/self/ns/net"},
		},
		{name: "a TCP socket in a pod's child", in: privilegedPod(), steps: append([]string{"fork"}, there("socket:tcp,2007")...), want: finding(port)},
		{name: "a UDP socket that is another each 100 ms", pending: true, in: hostNetwork(), steps: []string{"aside", "churn:udp,2008,100"}, want: sighting("HostPortUnlisted")},
		{name: "a TCP socket that is another each 10 ms", pending: true, in: hostNetwork(), steps: []string{"aside", "churn:tcp,2009,10"}, want: sighting("HostPortUnlisted")},
		{name: "all addresses, declared is one", in: listed(2010, "127.0.0.1"), steps: []string{"socket:tcp,2010"}, want: finding("HostPortUnlisted")},
		{name: "a port with two processes", in: hostNetwork(), steps: []string{"socket:tcp,2011", "fork", "socket:tcp,2011"}, want: finding("HostPortUnlisted")},
		{name: "a tunnel of the host's network", pending: true, in: privileged(), happens: giveTunnel, want: expectation{cause: "limit"}},
	}
}

// heldInnocents hold what is their own, or what they declared.
func heldInnocents() []scenario {
	return []scenario{
		{name: "files of its own namespaces", in: ordinary(), steps: []string{"keep:x=/proc/self/ns/net", "keep:y=/proc/self/ns/ipc"}},
		{
			name: "networks of its own, mounted", in: privileged(),
			steps: []string{"born:net", "bind:/proc/self/ns/net,/tmp/net", ";", "keep:x=/tmp/net"},
		},
		{name: "queues and memory of its own", in: privileged(), steps: []string{"mqueue:/tmp/mq", "shm"}},
		{
			name: "all kinds of sockets of its own", in: privileged(),
			steps: []string{"socket:packet", "socket:route", "socket:raw", "socket:tcp,2001", "socket:udp,2002", "socket:abstract,own"},
		},
		{name: "a socket of its own in a message", in: ordinaryPod(), steps: []string{"socket:tcp,2001", "in-flight"}},
		{name: "a socket of its own in io_uring", in: privileged(), steps: []string{"socket:tcp,2001", "uring"}},
		{name: "a VPN in its own network", in: privileged(), steps: []string{"tun:tun0"}},
		{name: "a capture in the host's network, as declared", in: hostNetwork("NET_ADMIN", "NET_RAW"), steps: []string{"socket:packet", "socket:route"}},
		{name: "listens as declared", in: listed(2101, ""), steps: []string{"socket:tcp,2101"}},
		{name: "listens as declared, on one address", in: listed(2102, "127.0.0.1"), steps: []string{"socket:tcp,127.0.0.1:2102"}},
		{name: "listens as declared, with three workers", in: listed(2103, ""), steps: []string{"fork:3", "socket:tcp,2103"}},
		{name: "listens as declared, and hands the socket on", in: listed(2104, ""), steps: []string{"socket:tcp,2104", "pass"}},
		{name: "asks a name server each 5 ms", in: hostNetwork(), steps: []string{"aside", "lookups:5"}},
		{name: "ten threads ask a name server each 20 ms", in: hostNetwork(), steps: []string{"threads:10", "lookups:20"}},
		{name: "a network plugin's tunnel on the node", in: ordinary(), happens: func(t *testing.T, _ *scene) {
			t.Helper()
			run(t, "", "ip", "link", "add", "flannel.1", "type", "vxlan", "id", "1", "dstport", "8472", "dev", "eth0")
		}},
	}
}

// there has a thread take steps in the host's network and come back.
func there(steps ...string) []string {
	return slices.Concat([]string{"thread", toHostNet}, steps, []string{"setns:/proc/self/ns/net"})
}

// listed is a pod in the host's network that lists a port.
func listed(port int32, address string) box {
	b := hostNetwork()
	b.ports = []runtimetest.Port{{ContainerPort: port, HostPort: port, HostIP: address}}
	return b
}

// giveTunnel makes a tunnel in the host's network, whose packets come and go there, and gives its end to the container.
func giveTunnel(t *testing.T, s *scene) {
	t.Helper()
	run(t, "", "ip", "link", "add", "tunnel", "type", "vxlan", "id", "42", "dstport", "2012", "dev", "eth0")
	run(t, "", "ip", "link", "set", "tunnel", "netns", itoa(s.main.PID))
}
