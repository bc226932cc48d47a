// SPDX-License-Identifier: Apache-2.0

//go:build integration

package hostports_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Options of legacy iptables, the same for both families, and the sizes of their structs on
// 64-bit kernels (include/uapi/linux/netfilter_ipv4/ip_tables.h).
const (
	setReplace  = 64
	getInfo     = 64
	getEntries  = 65
	infoSize    = 84
	entriesHead = 40
	replaceHead = 96
)

// rawFamily is a half of legacy iptables, and where things stand in its entries.
type rawFamily struct {
	name          string
	domain, level int
	// protocol, flags, target and size are offsets in struct ipt_entry or struct ip6t_entry.
	protocol, flags, target, size int
}

func rawIPv4() rawFamily {
	return rawFamily{name: "ip", domain: unix.AF_INET, level: unix.SOL_IP, protocol: 80, flags: 82, target: 88, size: 112}
}

func rawIPv6() rawFamily {
	return rawFamily{name: "ip6", domain: unix.AF_INET6, level: unix.SOL_IPV6, protocol: 128, flags: 131, target: 140, size: 168}
}

// ask is getsockopt(2) for the table for NAT.
func (f rawFamily) ask(fd, option int, buffer []byte) error {
	copy(buffer, "nat")
	length := uint32(len(buffer))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(f.level), uintptr(option),
		uintptr(unsafe.Pointer(&buffer[0])), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		return fmt.Errorf("getsockopt %d of %s: %w", option, f.name, errno)
	}
	return nil
}

// socket calls use with a socket of the family in the namespace.
func (h *host) socket(f rawFamily, use func(fd int) error) error {
	return h.enter(func() error {
		fd, err := unix.Socket(f.domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return use(fd)
	})
}

// readTable returns what the kernel gives of the table for NAT: struct ipt_getinfo and the
// entries. It makes the table where there is none.
func (h *host) readTable(f rawFamily) []byte {
	h.t.Helper()
	var all []byte
	err := h.socket(f, func(fd int) error {
		info := make([]byte, infoSize)
		if err := f.ask(fd, getInfo, info); err != nil {
			return err
		}
		size := binary.NativeEndian.Uint32(info[infoSize-4:])
		entries := make([]byte, entriesHead+size)
		binary.NativeEndian.PutUint32(entries[32:], size)
		err := f.ask(fd, getEntries, entries)
		all = slices.Concat(info, entries[entriesHead:])
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// rawTable is a table for NAT as no program writes it.
type rawTable struct {
	rawFamily
	entries          []byte
	number           int
	entry, underflow [5]uint32
}

// offset is where the next entry will stand.
func (r *rawTable) offset() uint32 { return uint32(len(r.entries)) }

// add adds an entry, for TCP to a port, or for all packets where that is 0.
func (r *rawTable) add(port uint16, target []byte) {
	entry := make([]byte, r.size)
	if port != 0 {
		binary.NativeEndian.PutUint16(entry[r.protocol:], unix.IPPROTO_TCP)
		if r.domain == unix.AF_INET6 {
			entry[r.flags] = 1 // IP6T_F_PROTO
		}
		ports := make([]byte, 12)
		for i, n := range []uint16{0, 0xffff, port, port} {
			binary.NativeEndian.PutUint16(ports[2*i:], n)
		}
		entry = append(entry, extension("tcp", 0, ports)...)
	}
	binary.NativeEndian.PutUint16(entry[r.target:], uint16(len(entry)))
	entry = append(entry, target...)
	binary.NativeEndian.PutUint16(entry[r.target+2:], uint16(len(entry)))
	r.entries = append(r.entries, entry...)
	r.number++
}

// Verdicts of standard targets (include/uapi/linux/netfilter.h, netfilter/x_tables.h).
const (
	verdictAccept = -2
	verdictReturn = -5
)

// hook says that packets enter here, at the chain that rules makes.
func (r *rawTable) hook(number int, rules func()) {
	r.entry[number] = r.offset()
	rules()
	r.underflow[number] = r.offset()
	r.add(0, jump(verdictAccept))
}

// hooks makes the chains in which packets enter, which stand in the order of the hooks.
func (r *rawTable) hooks(arriving, outgoing func()) {
	r.hook(unix.NF_INET_PRE_ROUTING, arriving)
	r.hook(unix.NF_INET_LOCAL_IN, func() {})
	r.hook(unix.NF_INET_LOCAL_OUT, outgoing)
	r.hook(unix.NF_INET_POST_ROUTING, func() {})
}

// heading begins a chain.
func (r *rawTable) heading(name string) {
	r.add(0, extension("ERROR", 0, append([]byte(name), make([]byte, 32-len(name))...)))
}

// replace makes the table that of the namespace. It fails where another changes it meanwhile.
func (r *rawTable) replace(fd int) error {
	info := make([]byte, infoSize)
	if err := r.ask(fd, getInfo, info); err != nil {
		return err
	}
	before := binary.NativeEndian.Uint32(info[infoSize-8:])
	counters := make([]byte, 16*before)
	request := make([]byte, replaceHead, replaceHead+len(r.entries))
	copy(request, "nat")
	hooks := 1<<unix.NF_INET_PRE_ROUTING | 1<<unix.NF_INET_LOCAL_IN | 1<<unix.NF_INET_LOCAL_OUT | 1<<unix.NF_INET_POST_ROUTING
	words := []uint32{uint32(hooks), uint32(r.number), r.offset()}
	words = append(append(append(words, r.entry[:]...), r.underflow[:]...), before)
	for i, word := range words {
		binary.NativeEndian.PutUint32(request[32+4*i:], word)
	}
	var pins runtime.Pinner
	defer pins.Unpin()
	pins.Pin(&counters[0])
	binary.NativeEndian.PutUint64(request[88:], uint64(uintptr(unsafe.Pointer(&counters[0]))))
	if err := unix.SetsockoptString(fd, r.level, setReplace, string(append(request, r.entries...))); err != nil {
		return fmt.Errorf("replace the table %s nat: %w", r.name, err)
	}
	return nil
}

// extension is struct xt_entry_match or struct xt_entry_target, with what follows aligned.
func extension(name string, revision byte, data []byte) []byte {
	b := make([]byte, (32+len(data)+7)&^7)
	binary.NativeEndian.PutUint16(b, uint16(len(b)))
	copy(b[2:31], name)
	b[31] = revision
	copy(b[32:], data)
	return b
}

// jump is a standard target: to an offset, or to a verdict below 0.
func jump(to int) []byte {
	return extension("", 0, binary.NativeEndian.AppendUint32(nil, uint32(int32(to))))
}

// dnat is a target DNAT to a port of an address, in one of its revisions.
func dnat(revision byte, address []byte, port uint16) []byte {
	number := func(to []byte, n uint32) []byte { return binary.NativeEndian.AppendUint32(to, n) }
	var info []byte
	if revision == 0 {
		info = number(info, 1) // The number of ranges.
	}
	info = number(info, 3) // NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED
	for range 2 {
		info = append(info, address...)
		if revision > 0 {
			info = append(info, make([]byte, 16-len(address))...)
		}
	}
	for range 2 {
		info = binary.BigEndian.AppendUint16(info, port)
	}
	if revision == 2 {
		info = append(info, 0, 0, 0, 0) // The base of a shifted range.
	}
	return extension("DNAT", revision, info)
}
