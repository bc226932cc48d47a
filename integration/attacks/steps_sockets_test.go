// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

func socketSteps() map[string]runtimetest.Step {
	return map[string]runtimetest.Step{
		// socket:tcp,2001 or socket:tcp,127.0.0.1:2001 listens; socket:tcp alone is bound to nothing. Also udp, raw,
		// packet, route, abstract. The socket stays open; steps that follow know the last one.
		"socket":    openSocket,
		"in-flight": func(string) error { return sendAway(true) },  // the socket is in a message that nobody has read
		"pass":      func(string) error { return sendAway(false) }, // the socket was received in a message
		"uring":     func(string) error { return registerInRing() },
		"churn":     churn,                                  // churn:udp,2001,100: a new socket on the port every 100 ms, and the one before is closed
		"lookups":   lookups,                                // lookups:5: a UDP socket that is connected every 5 ms, used once and closed
		"mqueue":    mqueue,                                 // mqueue:/tmp/mq mounts the POSIX queues of the thread's IPC namespace
		"shm":       func(string) error { return attach() }, // a segment of the thread's IPC namespace
		"tun":       openTun,                                // tun:tun7
		"pid-file":  holdProcess,                            // pid-file:1 has a descriptor of a process
	}
}

// lastSocket names the last socket's descriptor.
const lastSocket = "NSAUDIT_ATTACKS_SOCKET"

func openSocket(value string) error {
	kind, address, _ := strings.Cut(value, ",")
	fd, err := newSocket(kind, address)
	if err != nil {
		return err
	}
	return os.Setenv(lastSocket, strconv.Itoa(fd))
}

func newSocket(kind, address string) (int, error) {
	family, socketType, protocol := unix.AF_INET, unix.SOCK_STREAM, 0
	switch kind {
	case "tcp":
	case "udp":
		socketType = unix.SOCK_DGRAM
	case "raw":
		socketType, protocol = unix.SOCK_RAW, unix.IPPROTO_ICMP
	case "packet":
		const all = unix.ETH_P_ALL
		family, socketType, protocol = unix.AF_PACKET, unix.SOCK_RAW, all>>8|all<<8&0xff00
	case "route":
		family, socketType, protocol = unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE
	case "abstract":
		family = unix.AF_UNIX
	default:
		return 0, fmt.Errorf("there is no %q", kind)
	}
	fd, err := unix.Socket(family, socketType, protocol)
	if err != nil {
		return 0, err
	}
	switch kind {
	case "route":
		return fd, unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1})
	case "abstract":
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: "@" + address})
	case "tcp", "udp":
		if address == "" {
			return fd, nil
		}
		err = bindTo(fd, address)
	default:
		return fd, nil
	}
	if err == nil && socketType == unix.SOCK_STREAM {
		err = unix.Listen(fd, 16)
	}
	return fd, err
}

func bindTo(fd int, address string) error {
	host, port, ok := strings.Cut(address, ":")
	if !ok {
		host, port = "0.0.0.0", address
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	local := &unix.SockaddrInet4{Port: number}
	if _, err := fmt.Sscanf(host, "%d.%d.%d.%d", &local.Addr[0], &local.Addr[1], &local.Addr[2], &local.Addr[3]); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return err
	}
	return unix.Bind(fd, local)
}

func socketFD() (int, error) { return strconv.Atoi(os.Getenv(lastSocket)) }

// sendAway sends the last socket through a UNIX socket, closes it, and receives it again unless it stays on its way.
func sendAway(stays bool) error {
	fd, err := socketFD()
	if err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(fd), nil, 0); err != nil {
		return err
	}
	if err := unix.Close(fd); err != nil || stays {
		return err
	}
	_, _, _, _, err = unix.Recvmsg(pair[1], make([]byte, 1), make([]byte, unix.CmsgSpace(4)), 0)
	return err
}

// registerInRing registers the last socket with an io_uring and closes it.
func registerInRing() error {
	fd, err := socketFD()
	if err != nil {
		return err
	}
	const entries, registerFiles, paramsSize = 4, 2, 120
	var params [paramsSize]byte
	ring, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, entries, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		return fmt.Errorf("io_uring_setup: %w", errno)
	}
	files := [1]int32{int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, ring, registerFiles, uintptr(unsafe.Pointer(&files)), 1, 0, 0); errno != 0 {
		return fmt.Errorf("io_uring_register: %w", errno)
	}
	return unix.Close(fd)
}

func churn(value string) error {
	fields := strings.Split(value, ",")
	pause, err := strconv.Atoi(fields[2])
	if err != nil {
		return err
	}
	for last := -1; ; {
		fd, err := newSocket(fields[0], fields[1])
		if err != nil {
			return err
		}
		if last >= 0 {
			_ = unix.Close(last)
		}
		last = fd
		time.Sleep(time.Duration(pause) * time.Millisecond)
	}
}

func lookups(value string) error {
	pause, err := strconv.Atoi(value)
	if err != nil {
		return err
	}
	for {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 53, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return err
		}
		_, _ = unix.Write(fd, []byte("question"))
		time.Sleep(time.Duration(pause) * time.Millisecond)
		_ = unix.Close(fd)
	}
}

func mqueue(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return unix.Mount("mqueue", dir, "mqueue", 0, "")
}

func attach() error {
	const size, mode = 4096, 0o600
	id, _, errno := unix.Syscall(unix.SYS_SHMGET, 0, size, unix.IPC_CREAT|mode)
	if errno != 0 {
		return fmt.Errorf("shmget: %w", errno)
	}
	if _, _, errno := unix.Syscall(unix.SYS_SHMAT, id, 0, 0); errno != 0 {
		return fmt.Errorf("shmat: %w", errno)
	}
	return nil
}

func openTun(name string) error {
	const file = "/tmp/tun"
	if err := unix.Mknod(file, unix.S_IFCHR|0o600, int(unix.Mkdev(10, 200))); err != nil && !os.IsExist(err) {
		return err
	}
	fd, err := unix.Open(file, unix.O_RDWR, 0)
	if err != nil {
		return err
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	return unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
}

func holdProcess(value string) error {
	pid, err := strconv.Atoi(value)
	if err != nil {
		return err
	}
	_, err = unix.PidfdOpen(pid, 0)
	return err
}
