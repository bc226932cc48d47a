// SPDX-License-Identifier: Apache-2.0

//go:build integration

package hostports_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// Requests of userfaultfd(2) (include/uapi/linux/userfaultfd.h).
const (
	uffdAPI             = 0xaa
	uffdioAPI           = 0xc018aa3f
	uffdioRegister      = 0xc020aa00
	uffdRegisterMissing = 1
)

// absentMemory returns memory of which only the first page is there. A process that touches the rest
// waits until the file is closed.
func absentMemory(pages int) ([]byte, *os.File, error) {
	page := os.Getpagesize()
	memory, err := unix.Mmap(-1, 0, pages*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, nil, err
	}
	memory[0] = 0
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|unix.O_NONBLOCK, 0, 0)
	if errno != 0 {
		return nil, nil, errno
	}
	file := os.NewFile(fd, "userfaultfd")
	api := [3]uint64{uffdAPI}
	region := [4]uint64{uint64(uintptr(unsafe.Pointer(&memory[page]))), uint64((pages - 1) * page), uffdRegisterMissing}
	_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, uffdioAPI, uintptr(unsafe.Pointer(&api)))
	if errno == 0 {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, uffdioRegister, uintptr(unsafe.Pointer(&region)))
	}
	if errno != 0 {
		return nil, nil, errors.Join(errno, file.Close())
	}
	return memory, file, nil
}

// holdUp asks for the table for NAT and does not take the answer until it ends. All
// questions for tables of IPv4 wait meanwhile, in every network namespace.
func (h *host) holdUp() (end func()) {
	h.t.Helper()
	memory, absent, err := absentMemory(2)
	if err != nil {
		h.t.Fatal(err)
	}
	family := rawIPv4()
	done := make(chan error, 1)
	go func() {
		done <- h.socket(family, func(fd int) error {
			info := make([]byte, infoSize)
			if err := family.ask(fd, getInfo, info); err != nil {
				return err
			}
			// The entries begin where nothing is there.
			size := binary.NativeEndian.Uint32(info[infoSize-4:])
			buffer := memory[os.Getpagesize()-entriesHead:][:entriesHead+size]
			binary.NativeEndian.PutUint32(buffer[32:], size)
			return family.ask(fd, getEntries, buffer)
		})
	}()
	// A message reports that a process waits for the memory.
	waits := []unix.PollFd{{Fd: int32(absent.Fd()), Events: unix.POLLIN}}
	if n, err := unix.Poll(waits, 10_000); n != 1 || waits[0].Revents != unix.POLLIN {
		h.t.Fatalf("no process waits for the memory: %v, events %#x", err, waits[0].Revents)
	}
	return func() {
		h.t.Helper()
		if err := absent.Close(); err != nil {
			h.t.Error(err)
		}
		if err := <-done; err != nil {
			h.t.Error(err)
		}
		if err := unix.Munmap(memory); err != nil {
			h.t.Error(err)
		}
	}
}

// A process in another network namespace can hold up all that ask for tables. That hides
// nothing but what is said to be unread, and ends with it.
func TestLegacyHeldUp(t *testing.T) {
	h, other := newHost(t), newHost(t)
	for command, target := range map[string]string{"iptables-nft": "10.0.0.1:80", "iptables-legacy": "10.0.0.1:80", "ip6tables-legacy": "[fd00::1]:80"} {
		h.run("", command, "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "8080", "-j", "DNAT", "--to-destination", target)
	}
	tables := func(table netfilter.Table) []string {
		var all []string
		for _, forward := range table.Forwards {
			all = append(all, string(forward.Backend)+" "+forward.Table)
		}
		return all
	}
	native, v4, v6 := "iptables-nft ip nat", "iptables-legacy ip nat", "iptables-legacy ip6 nat"
	end := other.holdUp()
	start := time.Now()
	table, err := h.reader.Forwards(t.Context(), h.Host)
	took := time.Since(start)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, hurried := h.reader.Forwards(ctx, h.Host)
	end()
	if err != nil {
		t.Fatal(err)
	}
	if got := tables(table); !slices.Equal(got, []string{native, v6}) {
		t.Errorf("forwards by %q while the other is held up", got)
	}
	if len(table.Unread) != 1 || !strings.HasPrefix(table.Unread[0], `read the table "ip nat" of legacy iptables: `) || !strings.Contains(table.Unread[0], "longer than 5s") {
		t.Errorf("unread %q", table.Unread)
	}
	if took < 5*time.Second || took > 10*time.Second {
		t.Errorf("reading took %s", took)
	}
	if !errors.Is(hurried, context.DeadlineExceeded) {
		t.Errorf("Forwards in a hurry = %v, want %v", hurried, context.DeadlineExceeded)
	}
	if got := tables(h.forwards()); !slices.Equal(got, []string{v4, native, v6}) {
		t.Errorf("forwards by %q afterwards", got)
	}
}
