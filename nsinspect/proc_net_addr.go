// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// maxAddresses caps the addresses of a network namespace. kube-proxy's IPVS mode gives a node
// one for each Service.
const maxAddresses = 64 << 10

// maxAddressBytes caps the text of each of the two files: the routes are in it as well.
const maxAddressBytes = 16 << 20

// Addresses returns the addresses that the network namespace of the process's leader has for
// itself, from /proc/PID/net/fib_trie and if_inet6 (proc_pid_net(5)), which anyone may read.
// 127.0.0.0/8, ::1 and link-local addresses of IPv6 are not in it, nor are whole networks
// that were declared local (ip-route(8), type local).
//
// With [ErrTooLarge] those come along that were found.
func (p *Process) Addresses() ([]netip.Addr, error) {
	var addresses []netip.Addr
	var failures []error
	for _, file := range [...]struct {
		name  string
		parse func(io.Reader, []netip.Addr) ([]netip.Addr, error)
	}{{"fib_trie", parseFibTrie}, {"if_inet6", parseIfInet6}} {
		text, err := p.openNet(file.name)
		if errors.Is(err, ErrAbsent) {
			continue // The kernel can be built or booted without IPv6.
		}
		if err == nil {
			limited := &io.LimitedReader{R: text, N: maxAddressBytes}
			addresses, err = file.parse(limited, addresses)
			_ = text.Close() // It was only read from.
			if limited.N == 0 {
				err = ErrTooLarge
			}
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("read net/%s of process %d: %w", file.name, p.pid, err))
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(addresses), errors.Join(failures...)
}

// parseFibTrie adds the local addresses of a dump of the routes of IPv4: leaves that have
// a route of all 32 bits to this host itself. Each is there once a table.
//
//	|-- 10.0.0.5
//	   /32 host LOCAL
func parseFibTrie(text io.Reader, addresses []netip.Addr) ([]netip.Addr, error) {
	leaf := netip.Addr{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line := bytes.TrimLeft(lines.Bytes(), " ")
		if name, ok := bytes.CutPrefix(line, []byte("|-- ")); ok {
			address, err := netip.ParseAddr(string(name))
			if err != nil || !address.Is4() {
				return addresses, fmt.Errorf("malformed leaf %.100q", name)
			}
			leaf = address
			continue
		}
		if !isLocalRoute(line) {
			continue
		}
		if !leaf.IsValid() {
			return addresses, errors.New("a route stands before any leaf")
		}
		var ok bool
		if addresses, ok = addAddress(addresses, leaf); !ok {
			return addresses, ErrTooLarge
		}
	}
	return addresses, lines.Err()
}

// isLocalRoute recognises "/32 SCOPE LOCAL", behind which a type of service may stand.
func isLocalRoute(line []byte) bool {
	fields := procfd.FieldsOf(line)
	size := string(fields.Next())
	fields.Skip(1)
	return size == "/32" && string(fields.Next()) == "LOCAL"
}

// parseIfInet6 adds the addresses of a list of those of IPv6:
//
//	fd000000000000000000000000000005 02 40 00 80 eth0
func parseIfInet6(text io.Reader, addresses []netip.Addr) ([]netip.Addr, error) {
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		fields := procfd.FieldsOf(lines.Bytes())
		field := fields.Next()
		var raw [16]byte
		if len(field) != hex.EncodedLen(len(raw)) {
			return addresses, fmt.Errorf("malformed row %.100q", lines.Bytes())
		}
		if _, err := hex.Decode(raw[:], field); err != nil {
			return addresses, fmt.Errorf("malformed row %.100q", lines.Bytes())
		}
		var ok bool
		if addresses, ok = addAddress(addresses, netip.AddrFrom16(raw)); !ok {
			return addresses, ErrTooLarge
		}
	}
	return addresses, lines.Err()
}

// addAddress leaves out what every namespace has.
func addAddress(addresses []netip.Addr, address netip.Addr) ([]netip.Addr, bool) {
	if address.IsLoopback() || address.IsLinkLocalUnicast() && address.Is6() {
		return addresses, true
	}
	if len(addresses) == maxAddresses {
		return addresses, false
	}
	return append(addresses, address), true
}
