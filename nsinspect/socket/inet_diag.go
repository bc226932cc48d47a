// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/nlattr"
)

// Layout of struct inet_diag_req_v2 and struct inet_diag_msg, from linux/inet_diag.h. Numbers
// are in the order of the processor, addresses and ports in that of the network.
const (
	diagRequestSize     = 56
	diagRequestStatesAt = 4

	diagMessageSize = 72
	diagPortAt      = 4
	diagAddressAt   = 8
	diagUIDAt       = 64
	diagInodeAt     = 68
)

// Attributes of the answer, from linux/inet_diag.h.
const (
	diagV6Only   = 11 // INET_DIAG_SKV6ONLY
	diagLocals   = 12 // INET_DIAG_LOCALS
	diagCgroupID = 21 // INET_DIAG_CGROUP_ID, since Linux 5.8
)

// sockaddrStorageSize is the size of struct sockaddr_storage (sockaddr(3type)).
const sockaddrStorageSize = 128

var errMalformedDiag = errors.New("malformed answer of sock_diag")

// diagRequest asks for the sockets of a family in one state: the kernel leaves out the
// others, of which a busy host has thousands.
//
// It asks for no extension: a socket whose attributes exceed the message size silently ends the
// dump, and with INET_DIAG_INFO the kernel adds all MD5 keys of a socket, of which its owner
// chooses the number.
func diagRequest(family uint8, protocol diagProtocol) []byte {
	request := make([]byte, diagRequestSize)
	request[0], request[1] = family, protocol.number
	binary.NativeEndian.PutUint32(request[diagRequestStatesAt:], 1<<protocol.state)
	return request
}

// addDiagMessage adds the socket that a struct inet_diag_msg with its attributes describes.
func addDiagMessage(found *socketList, protocol Protocol, data []byte) error {
	if len(data) < diagMessageSize {
		return errMalformedDiag
	}
	socket := Socket{
		Protocol: protocol,
		Inode:    uint64(binary.NativeEndian.Uint32(data[diagInodeAt:])),
		UID:      binary.NativeEndian.Uint32(data[diagUIDAt:]),
	}
	address, ok := diagAddress(data[0], data[diagAddressAt:])
	if !ok {
		return errMalformedDiag
	}
	attributes, err := parseDiagAttributes(data[diagMessageSize:])
	if err != nil {
		return err
	}
	socket.Cgroup = attributes.cgroup
	addresses := attributes.addresses
	if len(addresses) == 0 {
		addresses = append(addresses, address)
	}
	port := binary.BigEndian.Uint16(data[diagPortAt:])
	for _, address := range addresses {
		socket.Address = netip.AddrPortFrom(address, port)
		socket.DualStack = address == netip.IPv6Unspecified() && !attributes.onlyV6
		// Without a port it is not listening: it is not bound yet.
		if port != 0 && !found.add(socket) {
			return nil
		}
	}
	return nil
}

// diagAttributes is what is used of the attributes of an answer.
type diagAttributes struct {
	onlyV6    bool
	cgroup    uint64
	addresses []netip.Addr
}

func parseDiagAttributes(data []byte) (diagAttributes, error) {
	var a diagAttributes
	for attribute, err := range nlattr.All(data) {
		if err != nil {
			return diagAttributes{}, err
		}
		value := attribute.Data
		switch attribute.Type {
		case diagV6Only:
			if len(value) != 1 {
				return diagAttributes{}, errMalformedDiag
			}
			a.onlyV6 = value[0] != 0
		case diagCgroupID:
			if len(value) != 8 {
				return diagAttributes{}, errMalformedDiag
			}
			a.cgroup = binary.NativeEndian.Uint64(value)
		case diagLocals:
			a.addresses = sctpAddresses(value)
		}
	}
	return a, nil
}

// diagAddress reads an address of a family.
func diagAddress(family uint8, data []byte) (netip.Addr, bool) {
	switch family {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(data)), true
	case unix.AF_INET6:
		return netip.AddrFrom16([16]byte(data)), true
	default:
		return netip.Addr{}, false
	}
}

// sctpAddresses reads the array of struct sockaddr_storage that holds all addresses of an
// SCTP socket; the message itself has the first only.
func sctpAddresses(data []byte) []netip.Addr {
	const v4At, v6At = 4, 8 // sin_addr and sin6_addr
	var addresses []netip.Addr
	for ; len(data) >= sockaddrStorageSize; data = data[sockaddrStorageSize:] {
		family, at := binary.NativeEndian.Uint16(data), v4At
		if family == unix.AF_INET6 {
			at = v6At
		}
		if address, ok := diagAddress(uint8(min(family, 0xff)), data[at:]); ok {
			addresses = append(addresses, address)
		}
	}
	return addresses
}
