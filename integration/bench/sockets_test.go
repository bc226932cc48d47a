// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// sockets starts a process with so many listeners and connections in a network of its own, and returns its pid.
func (n *node) sockets(b *testing.B, listeners, connections int) int {
	b.Helper()
	return n.self(b, fmt.Sprintf("%d listeners and %d connections", listeners, connections), fmt.Sprintf("%s=%d %d", socketsEnv, listeners, connections))
}

// inNetworkOf calls work on a thread that is in the network of a process, and so is whatever work starts.
func (n *node) inNetworkOf(pid int, work func()) error {
	return n.away(func() error {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("join the network: %w", err)
		}
		work()
		return nil
	})
}

// haveSockets keeps the sockets that the environment asks for, and says on the standard output when it has them. Each
// connection has both its ends here.
func haveSockets(text string) error {
	var listeners, connections int
	if _, err := fmt.Sscan(text, &listeners, &connections); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	limit := uint64(listeners + 2*connections + 100)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	var listening []int
	for i := range listeners {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		address := loopback(i)
		if err := errors.Join(unix.Bind(fd, address), unix.Listen(fd, 8)); err != nil {
			return err
		}
		listening = append(listening, fd)
	}
	for i := range connections {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(fd, loopback(i%listeners)); err != nil {
			return err
		}
		if _, _, err := unix.Accept4(listening[i%listeners], unix.SOCK_CLOEXEC); err != nil {
			return err
		}
	}
	if _, err := os.Stdout.Write([]byte{'\n'}); err != nil {
		return err
	}
	select {}
}

// loopback is the address of one of the listeners.
func loopback(i int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Port: 2000 + i, Addr: [4]byte{127, 0, 0, 1}}
}

// loopbackUp sets up lo, which is down in a new network.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}
