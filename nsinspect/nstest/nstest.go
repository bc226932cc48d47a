// SPDX-License-Identifier: Apache-2.0

// Package nstest has the namespaces and ports of a host and of its containers, for the tests
// of what judges them and of what shows the verdicts.
package nstest

import (
	"net/netip"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// Inodes of the host's namespaces.
const (
	HostNet = 1
	HostPID = 2
	HostIPC = 3
)

// Inodes of a container's own namespaces.
const (
	ownNet = 101
	ownPID = 102
	ownIPC = 103
)

// ID is the identity of the namespace with an inode.
func ID(ino uint64) nsinspect.ID { return nsinspect.ID{Dev: 4, Ino: ino} }

// Host is the host, known by its process 1.
func Host() nsinspect.HostReference {
	host := nsinspect.HostReference{Reference: nsinspect.ByPID1, PID: 1}
	host.Namespaces = namespaces(HostNet, HostPID, HostIPC)
	return host
}

// Group is threads in the namespaces with these inodes.
func Group(threads int, net, pid, ipc uint64, tids ...int) nsinspect.ThreadGroup {
	return nsinspect.ThreadGroup{Namespaces: namespaces(net, pid, ipc), Threads: threads, TIDs: tids}
}

// Sharing is a process's only thread, in the host's namespaces of these kinds and in its
// container's own otherwise.
func Sharing(kinds ...nsinspect.Kind) nsinspect.ThreadGroup {
	group := Group(1, ownNet, ownPID, ownIPC)
	host := Host()
	for _, kind := range kinds {
		id, _ := host.Namespaces.Get(kind)
		group.Namespaces.Set(kind, id)
	}
	return group
}

// Listener is a socket on a TCP port of all of the host's addresses.
func Listener(port uint16) socket.Socket {
	return socket.Socket{
		Protocol: socket.TCP, Address: netip.AddrPortFrom(netip.IPv6Unspecified(), port), DualStack: true,
		Inode: uint64(port),
	}
}

// Forward is a rule that sends a TCP port of all of the host's addresses on to a pod.
func Forward(port uint16) netfilter.Forward {
	return netfilter.Forward{
		Protocol: socket.TCP, HostPort: port, LastPort: port, Target: netip.MustParseAddrPort("10.244.1.5:8080"),
		Backend: netfilter.IptablesNft, Table: "ip nat", Chain: "CNI-DN-0123456789abcdef01234",
	}
}

func namespaces(net, pid, ipc uint64) nsinspect.Namespaces {
	var all nsinspect.Namespaces
	all.Set(nsinspect.Net, ID(net))
	all.Set(nsinspect.PID, ID(pid))
	all.Set(nsinspect.IPC, ID(ipc))
	return all
}
