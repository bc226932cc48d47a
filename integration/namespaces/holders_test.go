//go:build integration

package namespaces_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// socketSpec is a socket that a role makes.
type socketSpec struct {
	protocol nsinspect.Protocol
	// family is AF_INET or AF_INET6, kind SOCK_STREAM and the like, and number the IP
	// protocol.
	family, kind, number int
	// address is what it is bound to, if it is valid.
	address netip.AddrPort
	v6only  bool
	// backlog is what it listens with; 0 for a socket that does not listen.
	backlog int
	// connect is whom it is connected to, if it is valid.
	connect netip.AddrPort
	// unseen says that it takes in nothing, and so may not be shown.
	unseen bool
}

// socketSpecs are sockets of every kind. Raw ones have the IP protocol for a port.
func socketSpecs() map[string]socketSpec {
	at := netip.MustParseAddrPort
	tcp := func(address string) socketSpec {
		return socketSpec{protocol: nsinspect.TCP, family: familyOf(at(address)), kind: unix.SOCK_STREAM, address: at(address), backlog: 8}
	}
	udp := func(address string) socketSpec {
		return socketSpec{protocol: nsinspect.UDP, family: familyOf(at(address)), kind: unix.SOCK_DGRAM, address: at(address)}
	}
	lite := func(address string) socketSpec {
		return socketSpec{protocol: nsinspect.UDPLite, family: familyOf(at(address)), kind: unix.SOCK_DGRAM, number: unix.IPPROTO_UDPLITE, address: at(address)}
	}
	raw := func(family, number int) socketSpec {
		return socketSpec{protocol: nsinspect.Raw, family: family, kind: unix.SOCK_RAW, number: number}
	}
	with := func(spec socketSpec, change func(*socketSpec)) socketSpec {
		change(&spec)
		return spec
	}
	return map[string]socketSpec{
		"tcp any":                tcp("0.0.0.0:10001"),
		"tcp loopback":           tcp("127.0.0.1:10002"),
		"tcp another address":    tcp("127.9.9.9:10002"),
		"tcp6 dual":              tcp("[::]:10003"),
		"tcp6 only":              with(tcp("[::]:10004"), func(s *socketSpec) { s.v6only = true }),
		"tcp beside tcp6 only":   tcp("0.0.0.0:10004"),
		"tcp6 loopback":          tcp("[::1]:10005"),
		"tcp6 on an IPv4":        tcp("[::ffff:127.0.0.1]:10006"),
		"tcp that shares a port": tcp("127.0.0.1:10007"),
		"tcp that shares it too": tcp("127.0.0.1:10007"),
		"mptcp":                  with(tcp("127.0.0.1:10008"), func(s *socketSpec) { s.number = unix.IPPROTO_MPTCP }),
		"tcp bound":              with(tcp("127.0.0.1:10009"), func(s *socketSpec) { s.backlog, s.unseen = 0, true }),
		"tcp connected": {
			protocol: nsinspect.TCP, family: unix.AF_INET, kind: unix.SOCK_STREAM, connect: at("127.0.0.1:10002"), unseen: true,
		},
		"udp any":       udp("0.0.0.0:11001"),
		"udp loopback":  udp("127.0.0.1:11002"),
		"udp6 dual":     udp("[::]:11003"),
		"udp6 only":     with(udp("[::]:11004"), func(s *socketSpec) { s.v6only = true }),
		"udp connected": with(udp("127.0.0.1:11005"), func(s *socketSpec) { s.connect, s.unseen = at("127.0.0.1:11002"), true }),
		"udp unbound":   {protocol: nsinspect.UDP, family: unix.AF_INET, kind: unix.SOCK_DGRAM, unseen: true},
		"udplite":       lite("127.0.0.1:12001"),
		"udplite6":      lite("[::]:12002"),
		"raw ospf":      raw(unix.AF_INET, 89),
		"raw6 ospf":     raw(unix.AF_INET6, 89),
		"raw to send":   with(raw(unix.AF_INET, unix.IPPROTO_RAW), func(s *socketSpec) { s.unseen = true }),
	}
}

func familyOf(address netip.AddrPort) int {
	if address.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddrOf(address netip.AddrPort) unix.Sockaddr {
	if address.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
}

// open makes the socket, which stays as long as the process.
func (s socketSpec) open() (int, error) {
	fd, err := unix.Socket(s.family, s.kind, s.number)
	if err != nil {
		return 0, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, err
	}
	if s.family == unix.AF_INET6 && s.kind != unix.SOCK_RAW {
		only := 0
		if s.v6only {
			only = 1
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return 0, err
		}
	}
	if s.address.IsValid() {
		if err := unix.Bind(fd, sockaddrOf(s.address)); err != nil {
			return 0, err
		}
	}
	if s.backlog > 0 {
		if err := unix.Listen(fd, s.backlog); err != nil {
			return 0, err
		}
	}
	if s.connect.IsValid() {
		return fd, unix.Connect(fd, sockaddrOf(s.connect))
	}
	return fd, nil
}

// seen is what must be shown of the socket.
func (s socketSpec) seen(fd int) (nsinspect.Socket, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nsinspect.Socket{}, err
	}
	address := netip.AddrPortFrom(s.address.Addr().Unmap(), s.address.Port())
	if s.protocol == nsinspect.Raw {
		all := netip.IPv4Unspecified()
		if s.family == unix.AF_INET6 {
			all = netip.IPv6Unspecified()
		}
		address = netip.AddrPortFrom(all, uint16(s.number)) //nolint:gosec // The number of an IP protocol.
	}
	dual := address.Addr() == netip.IPv6Unspecified() && !s.v6only && s.protocol != nsinspect.Raw
	return nsinspect.Socket{Protocol: s.protocol, Address: address, DualStack: dual, Inode: stat.Ino, UID: uint32(os.Geteuid())}, nil //nolint:gosec // A user's id.
}

// holdSockets makes the sockets of all specs, those that connect last, and prints what must be
// seen of them.
func holdSockets(role) error {
	if err := loopbackUp(); err != nil {
		return err
	}
	var seen []nsinspect.Socket
	for _, connecting := range []bool{false, true} {
		for name, spec := range socketSpecs() {
			if spec.connect.IsValid() != connecting {
				continue
			}
			fd, err := spec.open()
			if spec.number != 0 && errors.Is(err, unix.EPROTONOSUPPORT) {
				continue // Where a kernel lacks the protocol, nobody has such a socket.
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			socket, err := spec.seen(fd)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if !spec.unseen {
				seen = append(seen, socket)
			}
		}
	}
	// The kernel shows those that listen first, also the one that was made last.
	late := socketSpec{protocol: nsinspect.TCP, family: unix.AF_INET, kind: unix.SOCK_STREAM, address: netip.MustParseAddrPort("127.0.0.1:10099"), backlog: 8}
	fd, err := late.open()
	if err != nil {
		return err
	}
	socket, err := late.seen(fd)
	if err != nil {
		return err
	}
	return printAndBlock(append(seen, socket))
}

// floodSockets has N listening sockets.
func floodSockets(r role) error {
	if err := loopbackUp(); err != nil {
		return err
	}
	limit := unix.Rlimit{Cur: uint64(r.N) + 100, Max: uint64(r.N) + 100} //nolint:gosec // A count.
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	for i := range r.N {
		spec := socketSpec{
			family: unix.AF_INET, kind: unix.SOCK_STREAM, backlog: 1,
			address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(1024+i)), //nolint:gosec // A port.
		}
		if _, err := spec.open(); err != nil {
			return err
		}
	}
	ready("")
	return awaitEnd()
}

func loopbackUp() error {
	if output, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("set lo up: %w: %s", err, output)
	}
	return nil
}

func printAndBlock(value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	ready("%s", text)
	return awaitEnd()
}

// oneListener makes a listening socket and returns it with its inode.
func oneListener() (fd int, inode uint64, err error) {
	spec := socketSpec{family: unix.AF_INET, kind: unix.SOCK_STREAM, address: netip.MustParseAddrPort("127.0.0.1:13001"), backlog: 1}
	if fd, err = spec.open(); err != nil {
		return 0, 0, err
	}
	socket, err := spec.seen(fd)
	return fd, socket.Inode, err
}

// handOver makes a socket, prints its inode, and after another line gives it to the process
// at the other end of the UNIX socket Path. It keeps none.
func handOver(r role) error {
	if err := loopbackUp(); err != nil {
		return err
	}
	fd, inode, err := oneListener()
	if err != nil {
		return err
	}
	ready("%d", inode)
	if _, err := readLine(); err != nil {
		return err
	}
	conn, err := net.Dial("unix", r.Path)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, _, err := conn.(*net.UnixConn).WriteMsgUnix([]byte{0}, unix.UnixRights(fd), nil); err != nil {
		return err
	}
	if err := unix.Close(fd); err != nil {
		return err
	}
	ready("")
	return awaitEnd()
}

// takeOver waits at the UNIX socket Path for a descriptor and keeps it.
func takeOver(r role) error {
	listener, err := net.Listen("unix", r.Path)
	if err != nil {
		return err
	}
	defer listener.Close()
	ready("")
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(make([]byte, 1), control)
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	ready("%d", len(fds))
	return awaitEnd()
}

// leaveWith makes a socket, prints its inode, and then leaves for another network namespace,
// with the socket.
func leaveWith(r role) error {
	if err := loopbackUp(); err != nil {
		return err
	}
	fd, inode, err := oneListener()
	if err != nil {
		return err
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "inode %d\n", inode)
	return become(r)
}

// endHolding makes a socket, prints its inode, and ends the process's first thread.
func endHolding(r role) error {
	_, inode, err := oneListener()
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "inode %d\n", inode)
	return endLeader(r)
}
