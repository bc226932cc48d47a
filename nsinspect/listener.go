package nsinspect

import "net/netip"

// Protocol is a transport protocol by the name that Kubernetes gives it, or Raw.
type Protocol string

// The protocols whose sockets are looked for.
const (
	TCP     Protocol = "TCP"
	UDP     Protocol = "UDP"
	SCTP    Protocol = "SCTP"
	UDPLite Protocol = "UDP-Lite"
	// Raw sockets (raw(7)) take in a whole IP protocol: its number stands for the port.
	Raw Protocol = "raw"
)

// Socket is a socket that takes in what others send to a port of the host: a TCP or SCTP
// socket that listens, or one of UDP, UDP-Lite or raw that is bound and not connected.
type Socket struct {
	Protocol Protocol `json:"protocol"`
	// Address is the local address and port. The unspecified address stands for all.
	Address netip.AddrPort `json:"address"`
	// DualStack says that an IPv6 socket on all addresses takes IPv4 in as well. It is
	// known from sock_diag only.
	DualStack bool `json:"dualStack,omitempty"`
	// Inode identifies the socket for as long as it is open (/proc/PID/fd).
	Inode uint64 `json:"inode"`
	// UID is the user that made it, in the reader's user namespace.
	UID uint32 `json:"uid"`
	// Cgroup is the id of the v2 cgroup in which it was made, which is the inode of the
	// cgroup's directory; 0 where that is not known.
	Cgroup uint64 `json:"cgroup,omitempty"`
}

// Ways of reading sockets.
const (
	// BySockDiag is NETLINK_SOCK_DIAG (sock_diag(7)).
	BySockDiag = "sock_diag"
	// ByProcNet is /proc/PID/net of the host reference.
	ByProcNet = "procfs"
)

// SocketTable is the sockets of the host's network namespace.
type SocketTable struct {
	Sockets []Socket
	// Ways says of each protocol how it was read.
	Ways map[Protocol]string
	// Absent are the protocols that this kernel does not have: nobody listens there.
	Absent []Protocol
	// Truncated says that there were more sockets than the cap.
	Truncated bool
}
