// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// socketRow is what is used of a row of /proc/PID/net/tcp, udp, udplite or raw, or of the
// same for IPv6 (proc_pid_net(5)).
type socketRow struct {
	address netip.AddrPort
	state   uint64
	uid     uint32
	inode   uint64
}

// parseSocketRow decodes a row:
//
//	sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ...
func parseSocketRow(line []byte) (socketRow, bool) {
	fields := procfd.FieldsOf(line)
	fields.Skip(1)
	address, ok := parseKernelAddrPort(fields.Next())
	row := socketRow{address: address}
	fields.Skip(1)
	row.state = fields.Uint(16, 8)
	fields.Skip(3)
	row.uid = uint32(fields.Uint(10, 32))
	fields.Skip(1)
	row.inode = fields.Uint(10, 64)
	if !ok || !fields.Whole() {
		return socketRow{}, false
	}
	return row, true
}

// parseKernelAddrPort decodes an address and port in hex, such as "0100007F:0016". The
// address is in words of 32 bits as the processor reads them, the port is a number.
func parseKernelAddrPort(text []byte) (netip.AddrPort, bool) {
	hexAddr, hexPort, ok := bytes.Cut(text, []byte{':'})
	if !ok || (len(hexAddr) != 8 && len(hexAddr) != 32) {
		return netip.AddrPort{}, false
	}
	var raw [16]byte
	size, err := hex.Decode(raw[:], hexAddr)
	if err != nil {
		return netip.AddrPort{}, false
	}
	port, err := strconv.ParseUint(string(hexPort), 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	for i := 0; i < size; i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	address, _ := netip.AddrFromSlice(raw[:size])
	return netip.AddrPortFrom(address, uint16(port)), true
}

// addEndpoint adds the socket of a row of /proc/PID/net/sctp/eps (net/sctp/proc.c,
// sctp_eps_seq_show), which has those only that listen:
//
//	ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS
//
// The addresses are in the usual form, the one that is used first with a star before it.
func addEndpoint(found *socketList, line []byte) (more, ok bool) {
	fields := procfd.FieldsOf(line)
	fields.Skip(5)
	port, uid, inode := fields.Uint(10, 16), fields.Uint(10, 32), fields.Uint(10, 64)
	if !fields.Whole() {
		return true, false
	}
	seen := 0
	for text := range bytes.FieldsSeq(fields.Rest()) {
		address, err := netip.ParseAddr(string(bytes.TrimPrefix(text, []byte{'*'})))
		if err != nil {
			return true, false
		}
		socket := Socket{Protocol: SCTP, Address: netip.AddrPortFrom(address, uint16(port)), UID: uint32(uid), Inode: inode}
		if seen++; !found.add(socket) {
			return false, true
		}
	}
	return true, seen > 0
}
