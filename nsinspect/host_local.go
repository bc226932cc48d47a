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
	"os"
	"strconv"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// Caps of what is read: the addresses and networks of the host, of which kube-proxy's IPVS mode
// makes one for each Service, and the text of each file of it and of a process.
const (
	maxLocalNetworks = 128 << 10
	maxHostBytes     = 16 << 20
	maxProcessBytes  = 1 << 20
)

// LocalNetworks returns where the host's network namespace receives packets itself: its
// addresses, loopback's too, and whole networks that were declared local (ip-route(8), type
// local). They are in /proc/PID/net/fib_trie, if_inet6 and ipv6_route (proc_pid_net(5)), which
// anyone may read.
func (h *Host) LocalNetworks() ([]netip.Prefix, error) {
	var networks []netip.Prefix
	err := eachLocal(h.OpenNet, maxHostBytes, func(network netip.Prefix) error {
		if len(networks) == maxLocalNetworks {
			return fmt.Errorf("%w of %d addresses", ErrTooLarge, maxLocalNetworks)
		}
		networks = append(networks, network)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the addresses of the host: %w", err)
	}
	return networks, nil
}

// LocalNetworks walks what [Host.LocalNetworks] returns of the network namespace of the process's
// leader. Not more than a mebibyte of each file is read, some 8,000 addresses: the error is
// [ErrTooLarge] where there is more.
func (p *Process) LocalNetworks(visit func(netip.Prefix)) error {
	err := eachLocal(p.openNet, maxProcessBytes, func(network netip.Prefix) error {
		visit(network)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the addresses of process %d: %w", p.pid, err)
	}
	return nil
}

// eachLocal walks the local networks in the files that open opens.
func eachLocal(open func(name string) (*os.File, error), most int64, visit func(netip.Prefix) error) error {
	for _, file := range localFiles() {
		text, err := open(file.name)
		if errors.Is(err, ErrAbsent) {
			continue // The kernel can be built or booted without IPv6.
		}
		if err == nil {
			limited := &io.LimitedReader{R: text, N: most}
			err = file.each(limited, visit)
			_ = text.Close() // It was only read from.
			if limited.N == 0 {
				err = fmt.Errorf("%w of %d bytes", ErrTooLarge, most) // Its last row may be cut.
			}
		}
		if err != nil {
			return fmt.Errorf("net/%s: %w", file.name, err)
		}
	}
	return nil
}

// localFile is a file that lists addresses, and what walks those in it that are a network
// namespace's own.
type localFile struct {
	name string
	each func(io.Reader, func(netip.Prefix) error) error
}

func localFiles() []localFile {
	return []localFile{{"fib_trie", eachLocal4}, {"if_inet6", eachAddress6}, {"ipv6_route", eachLocal6}}
}

// eachLocal4 walks the local networks of a dump of the routes of IPv4. Each is there once a table.
//
//	|-- 10.0.0.5
//	   /32 host LOCAL
func eachLocal4(text io.Reader, visit func(netip.Prefix) error) error {
	leaf := netip.Addr{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line := bytes.TrimLeft(lines.Bytes(), " ")
		if name, ok := bytes.CutPrefix(line, []byte("|-- ")); ok {
			address, err := netip.ParseAddr(string(name))
			if err != nil || !address.Is4() {
				return fmt.Errorf("malformed leaf %.100q", name)
			}
			leaf = address
			continue
		}
		bits, ok := localBits(line)
		if !ok {
			continue
		}
		if !leaf.IsValid() {
			return errors.New("a route stands before any leaf")
		}
		if err := visit(netip.PrefixFrom(leaf, bits)); err != nil {
			return err
		}
	}
	return lines.Err()
}

// localBits recognises "/BITS SCOPE LOCAL", behind which a type of service may stand.
func localBits(line []byte) (int, bool) {
	size, ok := bytes.CutPrefix(line, []byte("/"))
	if !ok {
		return 0, false
	}
	fields := procfd.FieldsOf(size)
	bits, err := strconv.ParseUint(string(fields.Next()), 10, 8)
	fields.Skip(1)
	return int(bits), err == nil && bits <= 32 && string(fields.Next()) == "LOCAL"
}

// eachAddress6 walks the addresses of a list of those of IPv6:
//
//	fd000000000000000000000000000005 02 40 00 80 eth0
func eachAddress6(text io.Reader, visit func(netip.Prefix) error) error {
	return eachRow6(text, func(address netip.Addr, _ procfd.Fields) error {
		return visit(netip.PrefixFrom(address, address.BitLen()))
	})
}

// rtfLocal marks a route to the host itself (include/uapi/linux/ipv6_route.h).
const rtfLocal = 0x80000000

// eachLocal6 walks the local networks of a list of the routes of IPv6: destination and its
// bits, source and its bits, gateway, metric, two counters, and flags.
func eachLocal6(text io.Reader, visit func(netip.Prefix) error) error {
	return eachRow6(text, func(address netip.Addr, rest procfd.Fields) error {
		bits, err := strconv.ParseUint(string(rest.Next()), 16, 8)
		if err != nil || bits > 128 {
			return fmt.Errorf("malformed route to %s", address)
		}
		rest.Skip(6)
		flags, err := strconv.ParseUint(string(rest.Next()), 16, 32)
		if err != nil {
			return fmt.Errorf("malformed route to %s", address)
		}
		if flags&rtfLocal == 0 {
			return nil
		}
		return visit(netip.PrefixFrom(address, int(bits)))
	})
}

// eachRow6 walks rows that begin with an address of IPv6 in hexadecimal digits.
func eachRow6(text io.Reader, visit func(netip.Addr, procfd.Fields) error) error {
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		fields := procfd.FieldsOf(lines.Bytes())
		field := fields.Next()
		var raw [16]byte
		if len(field) != hex.EncodedLen(len(raw)) {
			return fmt.Errorf("malformed row %.100q", lines.Bytes())
		}
		if _, err := hex.Decode(raw[:], field); err != nil {
			return fmt.Errorf("malformed row %.100q", lines.Bytes())
		}
		if err := visit(netip.AddrFrom16(raw), fields); err != nil {
			return err
		}
	}
	return lines.Err()
}
