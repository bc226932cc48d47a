// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// Protocol is a transport protocol by the name that Kubernetes gives it, or Raw.
type Protocol string

// The protocols whose sockets are looked for.
const (
	TCP     Protocol = "TCP"
	UDP     Protocol = "UDP"
	SCTP    Protocol = "SCTP"
	UDPLite Protocol = "UDP-Lite"
	// Raw sockets (raw(7)) receive a whole IP protocol: its number stands for the port.
	// Those of IPPROTO_RAW only send, and are left out.
	Raw Protocol = "raw"
)

// Protocols returns every protocol, in the order of a table's sockets.
func Protocols() []Protocol { return []Protocol{TCP, UDP, SCTP, UDPLite, Raw} }

// Socket is a listening socket: a TCP or SCTP socket that listens, or one of UDP, UDP-Lite or raw
// that is bound and not connected. An SCTP socket with several addresses is one Socket for
// each.
type Socket struct {
	Protocol Protocol `json:"protocol"`
	// Address is the local address and port. The unspecified address stands for all. A
	// socket of IPv6 on an address of IPv4 is shown with that.
	Address netip.AddrPort `json:"address"`
	// DualStack reports that an IPv6 socket on all addresses receives IPv4 as well. Only
	// sock_diag shows it: of a socket from another source, assume it.
	DualStack bool `json:"dualStack,omitempty"`
	// Inode identifies the socket for as long as it is open (/proc/PID/fd). It is 0 where
	// no process can hold it any more.
	Inode uint64 `json:"inode"`
	// UID is the user that made it, in the reader's user namespace.
	UID uint32 `json:"uid"`
	// Cgroup is the id of the v2 cgroup in which it was made, which is the inode of the
	// cgroup's directory; 0 where that is not known. Where v1's net_cls or net_prio is in
	// use it is the root's, 1.
	Cgroup uint64 `json:"cgroup,omitempty"`
}

// Source is what sockets were read from.
type Source string

// The sources, in the order in which they are asked.
const (
	// SockDiag is NETLINK_SOCK_DIAG (sock_diag(7)).
	SockDiag Source = "sock_diag"
	// Procfs is /proc/PID/net of the host reference.
	Procfs Source = "procfs"
)

// Sources returns every source.
func Sources() []Source { return []Source{SockDiag, Procfs} }

// FirstEphemeralPort is where the kernel's default range of ports for clients begins (ip(7),
// ip_local_port_range).
const FirstEphemeralPort = 32768

// maxSockets caps the sockets of one protocol: there are as many ports. A cap on all would
// let a flood of one protocol hide the others.
const maxSockets = 64 << 10

// Table is the sockets of the host's network namespace.
type Table struct {
	// Sockets are sorted by protocol, port, address and inode.
	Sockets []Socket
	// Sources is what each protocol was read from.
	Sources map[Protocol]Source
	// Absent are the protocols that this kernel does not have: no process listens there.
	Absent []Protocol
	// Failed has the error of each protocol that could not be read, or not whole. Whether
	// more of its sockets are there is unknown.
	Failed map[Protocol]error
}

// errNoProtocol is the answer for a protocol that the kernel lacks.
var errNoProtocol = errors.New("the kernel does not have this protocol")

// List lists the listening sockets of the host's network namespace.
//
// sock_diag (sock_diag(7)) is asked first. Where this process is in another network
// namespace, that takes CAP_SYS_ADMIN; without, and for what sock_diag does not know, the
// files below /proc/PID/net of the host reference are read (proc_pid_net(5)), which takes
// no right. The kernel may load the modules that answer sock_diag (tcp_diag, udp_diag,
// sctp_diag), but never a protocol.
//
// The kernel shows the table in parts: sockets that come and go meanwhile may be missing. The error is nil as long as one protocol could be read; see Failed for others.
func List(ctx context.Context, host *nsinspect.Host) (Table, error) {
	if host.Ref().PID == 0 {
		return Table{}, nsinspect.ErrNoHost
	}
	diag := &sockDiag{host: host}
	defer diag.close()
	files := procNet{host}
	table := Table{Sources: make(map[Protocol]Source), Failed: make(map[Protocol]error)}
	for _, protocol := range Protocols() {
		table.read(ctx, protocol, diag, files)
	}
	if err := ctx.Err(); err != nil {
		return Table{}, fmt.Errorf("list the host's sockets: %w", err)
	}
	if len(table.Sources) == 0 {
		return Table{}, fmt.Errorf("list the host's sockets: %w", table.failures())
	}
	table.sort()
	return table, nil
}

// read adds the sockets of one protocol, from sock_diag or else from procfs.
func (t *Table) read(ctx context.Context, protocol Protocol, diag *sockDiag, files procNet) {
	var diagErr error
	// For raw sockets the kernel would load raw_diag, which little else does.
	if protocol != Raw {
		found := newSocketList()
		if diagErr = diag.list(ctx, protocol, &found); diagErr == nil {
			var err error
			if protocol == SCTP {
				err = files.completeSCTP(ctx, &found)
			}
			t.add(protocol, SockDiag, found)
			t.fail(protocol, err)
			return
		}
	}
	found := newSocketList()
	err := files.list(ctx, protocol, &found)
	switch {
	case errors.Is(err, errNoProtocol):
		t.Absent = append(t.Absent, protocol)
	case err == nil, len(found.sockets) > 0:
		t.add(protocol, Procfs, found)
		t.fail(protocol, err)
	default:
		t.fail(protocol, errors.Join(diagErr, err))
	}
}

func (t *Table) fail(protocol Protocol, err error) {
	if err != nil {
		t.Failed[protocol] = err
	}
}

func (t *Table) add(protocol Protocol, source Source, found socketList) {
	t.Sources[protocol] = source
	t.Sockets = append(t.Sockets, found.sockets...)
	if found.truncated {
		t.fail(protocol, fmt.Errorf("more than %d sockets: %w", found.limit, nsinspect.ErrTooLarge))
	}
}

// failures joins what went wrong, in the order of the protocols.
func (t *Table) failures() error {
	var all []error
	for _, protocol := range Protocols() {
		if err := t.Failed[protocol]; err != nil {
			all = append(all, fmt.Errorf("%s: %w", protocol, err))
		}
	}
	return errors.Join(all...)
}

// sort also drops duplicates, which a table has that changes while it is read.
func (t *Table) sort() {
	order := make(map[Protocol]int)
	for i, protocol := range Protocols() {
		order[protocol] = i
	}
	slices.SortFunc(t.Sockets, func(a, b Socket) int {
		return cmp.Or(
			cmp.Compare(order[a.Protocol], order[b.Protocol]),
			cmp.Compare(a.Address.Port(), b.Address.Port()),
			a.Address.Addr().Compare(b.Address.Addr()),
			cmp.Compare(a.Inode, b.Inode),
		)
	})
	t.Sockets = slices.Compact(t.Sockets)
}

// socketList collects the sockets of one protocol up to the limit.
type socketList struct {
	limit     int
	sockets   []Socket
	truncated bool
}

func newSocketList() socketList { return socketList{limit: maxSockets} }

// add reports whether there is room for more.
func (l *socketList) add(socket Socket) bool {
	if len(l.sockets) == l.limit {
		l.truncated = true
		return false
	}
	socket.Address = netip.AddrPortFrom(socket.Address.Addr().Unmap(), socket.Address.Port())
	l.sockets = append(l.sockets, socket)
	return true
}

// complete adds the sockets of another list that are not in this one.
func (l *socketList) complete(other socketList) {
	type key struct {
		address netip.AddrPort
		inode   uint64
	}
	known := make(map[key]bool, len(l.sockets))
	for _, socket := range l.sockets {
		known[key{socket.Address, socket.Inode}] = true
	}
	for _, socket := range other.sockets {
		if !known[key{socket.Address, socket.Inode}] && !l.add(socket) {
			break
		}
	}
	l.truncated = l.truncated || other.truncated
}
