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
	var fields [10][]byte
	for i := range fields {
		fields[i], line = procfd.CutField(line)
	}
	address, ok := parseKernelAddrPort(fields[1])
	if !ok {
		return socketRow{}, false
	}
	state, err := strconv.ParseUint(string(fields[3]), 16, 8)
	if err != nil {
		return socketRow{}, false
	}
	uid, err := strconv.ParseUint(string(fields[7]), 10, 32)
	if err != nil {
		return socketRow{}, false
	}
	inode, err := strconv.ParseUint(string(fields[9]), 10, 64)
	if err != nil {
		return socketRow{}, false
	}
	return socketRow{address: address, state: state, uid: uint32(uid), inode: inode}, true
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
	var fields [8][]byte
	for i := range fields {
		fields[i], line = procfd.CutField(line)
	}
	port, err := strconv.ParseUint(string(fields[5]), 10, 16)
	if err != nil {
		return true, false
	}
	uid, err := strconv.ParseUint(string(fields[6]), 10, 32)
	if err != nil {
		return true, false
	}
	inode, err := strconv.ParseUint(string(fields[7]), 10, 64)
	if err != nil {
		return true, false
	}
	seen := 0
	for text := range bytes.FieldsSeq(line) {
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
