// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// Options of getsockopt for legacy iptables, the same for both families
// (include/uapi/linux/netfilter_ipv4/ip_tables.h, netfilter_ipv6/ip6_tables.h).
const (
	iptGetInfo    = 64
	iptGetEntries = 65
)

// Sizes of what the options fill, on 64-bit kernels: struct xt_getinfo and the head of struct
// ipt_get_entries, which begins with a name as long as that of the former.
const (
	iptNameSize    = 32
	iptInfoSize    = 84
	iptEntriesHead = 40
)

// maxLegacyBytes caps a table. It holds some 150,000 rules as kube-proxy writes them, or
// 440,000 of the shortest.
const maxLegacyBytes = 64 << 20

// maxNamesBytes caps the list of tables, of which the kernel knows five.
const maxNamesBytes = 4 << 10

// errNoTable reports that the host's network namespace has no such table.
var errNoTable = errors.New("there is no such table")

// errTorn reports that what was read of a table at different times does not fit together.
var errTorn = errors.New("it changed while it was read")

// legacyFamily is a half of legacy iptables: that of IPv4 or of IPv6.
type legacyFamily struct {
	// number counts the two.
	number        int
	family        byte
	domain, level int
	// names is the file below /proc/PID/net that lists the tables.
	names  string
	layout entryLayout
	// table is the one that is read.
	table string
}

func legacyFamilies() [2]legacyFamily {
	return [2]legacyFamily{
		{0, unix.NFPROTO_IPV4, unix.AF_INET, unix.SOL_IP, "ip_tables_names", ipv4Layout(), natTable},
		{1, unix.NFPROTO_IPV6, unix.AF_INET6, unix.SOL_IPV6, "ip6_tables_names", ipv6Layout(), natTable},
	}
}

// The tables with rules that send packets elsewhere: those for NAT, and TPROXY.
const (
	natTable    = "nat"
	mangleTable = "mangle"
)

// has reports whether the host's network namespace has the table. Asking the
// kernel for a table that is not there would create it.
func (f *legacyFamily) has(host *nsinspect.Host) (bool, error) {
	file, err := host.OpenNet(f.names)
	if errors.Is(err, nsinspect.ErrAbsent) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read net/%s of process %d, which takes root or CAP_DAC_READ_SEARCH: %w", f.names, host.Ref().PID, err)
	}
	defer func() { _ = file.Close() }() // It was only read from.
	text, err := io.ReadAll(io.LimitReader(file, maxNamesBytes+1))
	if err == nil && len(text) > maxNamesBytes {
		err = fmt.Errorf("%w of %d bytes", nsinspect.ErrTooLarge, maxNamesBytes)
	}
	if err != nil {
		return false, fmt.Errorf("read net/%s of process %d: %w", f.names, host.Ref().PID, err)
	}
	return slices.Contains(strings.Split(string(text), "\n"), f.table), nil
}

// legacyDump is a table as the kernel gives it, one after the other: struct xt_getinfo, and the
// entries, which are the rest of a buffer.
//
// The buffer is not on the heap: at its largest it is half of the agent's memory limit, and a
// second one could be allocated before the first is collected.
type legacyDump struct {
	info            [iptInfoSize]byte
	buffer, entries []byte
}

// grow allocates a buffer of this size, filled with zeros.
func (d *legacyDump) grow(size int) error {
	d.free()
	var err error
	d.buffer, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	return err
}

// free releases the buffer. Nothing may point into it.
func (d *legacyDump) free() {
	if d.buffer != nil {
		_ = unix.Munmap(d.buffer) // It fails only for what is not a mapping.
	}
	d.buffer, d.entries = nil, nil
}

// readLegacy reads a table of the host's network namespace. The error is errNoTable
// where there is none. The caller frees the table.
func readLegacy(host *nsinspect.Host, family *legacyFamily) (*legacyTable, error) {
	if ok, err := family.has(host); err != nil || !ok {
		if err == nil {
			err = errNoTable
		}
		return nil, err
	}
	fd := -1
	err := host.InNetwork(func() error {
		var err error
		// The manuals use a raw socket, which needs CAP_NET_RAW and gives nothing more.
		fd, err = unix.Socket(family.domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open a socket in the host's network namespace: %w", err)
	}
	defer procfd.Close(fd)
	return family.read(fd)
}

// read reads the table, and retries if it changed meanwhile. The caller frees it.
func (f *legacyFamily) read(fd int) (*legacyTable, error) {
	var dump legacyDump
	var err error
	for range maxForwardAttempts {
		var table *legacyTable
		if err = dump.read(fd, f.level, f.table); err == nil {
			table, err = parseLegacy(f, &dump)
		}
		if err == nil {
			return table, nil
		}
		dump.free()
		if !errors.Is(err, errTorn) {
			return nil, legacyError(err)
		}
	}
	return nil, fmt.Errorf("%w, %d times in a row", err, maxForwardAttempts)
}

// read reads a table once.
func (d *legacyDump) read(fd, level int, table string) error {
	if err := getInfo(fd, level, table, &d.info); err != nil {
		return err
	}
	size := int64(decodeInfo(&d.info).size)
	if size > maxLegacyBytes {
		return fmt.Errorf("%w of %d bytes", nsinspect.ErrTooLarge, maxLegacyBytes)
	}
	if err := d.grow(iptEntriesHead + int(size)); err != nil {
		return fmt.Errorf("make room for %d bytes: %w", size, err)
	}
	copy(d.buffer, table)
	binary.NativeEndian.PutUint32(d.buffer[iptNameSize:], uint32(size))
	err := getsockopt(fd, level, iptGetEntries, d.buffer)
	if errors.Is(err, unix.EAGAIN) {
		return errTorn // Its size has changed.
	}
	d.entries = d.buffer[iptEntriesHead:]
	return err
}

func getInfo(fd, level int, table string, info *[iptInfoSize]byte) error {
	*info = [iptInfoSize]byte{}
	copy(info[:], table)
	return getsockopt(fd, level, iptGetInfo, info[:])
}

// getsockopt fills a buffer, as getsockopt(2). The package unix supports single values only.
func getsockopt(fd, level, option int, buffer []byte) error {
	length := uint32(len(buffer))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&buffer[0])), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		return errno
	}
	if int(length) != len(buffer) {
		return fmt.Errorf("the kernel filled %d of %d bytes", length, len(buffer))
	}
	return nil
}

// legacyError adds to an error of getsockopt what it means.
func legacyError(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return procfd.Classify("ask for its rules, which takes CAP_NET_ADMIN", err)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOPROTOOPT):
		return errNoTable // It, or all of legacy iptables, was unloaded just now.
	}
	return err
}
