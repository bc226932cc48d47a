// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// Caps of the list of virtual servers. kube-proxy's IPVS mode makes one for each port of each
// Service, and a line for each of its pods.
const (
	maxVirtualServers = 50_000
	maxVirtualBytes   = 16 << 20
)

// virtualTable is the name of the list of virtual servers, as [Forward.Table].
const virtualTable = "ip_vs"

// virtualServer is one real server of a virtual one: a port of an address, and where it leads.
type virtualServer struct {
	protocol socket.Protocol
	address  netip.AddrPort
	target   netip.AddrPort
	// marked says that it is for packets with a mark instead, of whatever port.
	marked bool
}

// virtualForwards adds the virtual servers of IPVS to a table, those that are for addresses of the
// host. They are in /proc/PID/net/ip_vs (net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_seq_show),
// which anyone may read.
func (r *Reader) virtualForwards(host *nsinspect.Host, local *localAddresses, table *Table) {
	text, err := host.OpenNet(virtualTable)
	if errors.Is(err, nsinspect.ErrAbsent) {
		return // The kernel has no IPVS, or has not loaded it.
	}
	var servers []virtualServer
	if err == nil {
		limited := &io.LimitedReader{R: text, N: maxVirtualBytes}
		servers, err = parseVirtualServers(limited)
		_ = text.Close() // It was only read from.
		if err == nil && limited.N == 0 {
			err = fmt.Errorf("%w of %d bytes", nsinspect.ErrTooLarge, maxVirtualBytes)
		}
	}
	if err != nil {
		table.unread("read the virtual servers (IPVS): %v", err)
	}
	if len(servers) > 0 {
		r.addVirtual(servers, local, servicesOf(host, r.names.ServiceInterfaces), table)
	}
}

// services are the addresses of the interfaces on which Service proxies keep those of Services; nil
// if there is no such interface.
type services map[netip.Addr]bool

func servicesOf(host *nsinspect.Host, interfaces []string) services {
	var all services
	err := host.InNetwork(func() error {
		for _, name := range interfaces {
			device, err := net.InterfaceByName(name)
			if err != nil {
				continue // It is another proxy's.
			}
			if all == nil {
				all = make(services)
			}
			addresses, err := device.Addrs()
			if err != nil {
				return err
			}
			for _, address := range addresses {
				if prefix, err := netip.ParsePrefix(address.String()); err == nil {
					all[prefix.Addr()] = true
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return all
}

// addVirtual adds the virtual servers that are no Services. Beside a Service proxy, one for another
// port of the host's own addresses may be a Service's too, with an external address: nothing
// tells.
func (r *Reader) addVirtual(servers []virtualServer, local *localAddresses, of services, table *Table) {
	table.Rules += len(servers)
	doubtful := make(map[netip.AddrPort]bool)
	for _, server := range servers {
		address := server.address.Addr()
		step := Step{Table: virtualTable, Address: address, FirstPort: server.address.Port(), LastPort: server.address.Port()}
		switch {
		case server.marked:
			doubtful[server.address] = true
			continue
		case !local.has(netip.PrefixFrom(address, address.BitLen())), of[address], r.names.IsService != nil && of != nil && r.names.IsService(step):
			continue
		case of != nil:
			doubtful[server.address] = true
			continue
		}
		first, last := step.FirstPort, step.LastPort
		if last == 0 {
			first, last = 1, maxPort
		}
		table.Forwards = append(table.Forwards, Forward{
			Protocol: server.protocol, HostAddress: address, HostPort: first, LastPort: last,
			Target: server.target, Backend: IPVS, Table: virtualTable,
		})
	}
	if len(doubtful) > 0 {
		table.Ignored += len(doubtful)
		table.Opaque = append(table.Opaque, fmt.Sprintf("%d virtual servers (IPVS) may be for ports of the host and are not known to be Services", len(doubtful)))
	}
}

// parseVirtualServers parses the list, a line for each virtual server and one for each of its real
// ones:
//
//	TCP  0A600001:01BB rr
//	  -> AC120002:192B      Masq    1      2          0
//	FWM  00000001 rr
func parseVirtualServers(text io.Reader) ([]virtualServer, error) {
	var servers []virtualServer
	var current virtualServer
	known := false
	lines := bufio.NewScanner(text)
	for number := 0; lines.Scan(); number++ {
		fields := strings.Fields(lines.Text())
		if number < 3 || len(fields) < 2 {
			continue // The heading.
		}
		var err error
		switch fields[0] {
		case "->":
			if !known {
				continue
			}
			server := current
			if server.target, err = parseVirtualAddress(fields[1]); err != nil {
				return servers, err
			}
			if len(servers) == maxVirtualServers {
				return servers, fmt.Errorf("%w of %d servers", nsinspect.ErrTooLarge, maxVirtualServers)
			}
			servers = append(servers, server)
		case "FWM":
			mark, err := strconv.ParseUint(fields[1], 16, 32)
			if err != nil {
				return servers, fmt.Errorf("malformed mark %.100q", fields[1])
			}
			current, known = virtualServer{marked: true, address: netip.AddrPortFrom(markAddress(uint32(mark)), 0)}, true
		default:
			current, known = virtualServer{protocol: socket.Protocol(fields[0])}, isVirtualProtocol(fields[0])
			if current.address, err = parseVirtualAddress(fields[1]); err != nil {
				return servers, err
			}
		}
	}
	return servers, lines.Err()
}

// markAddress tells marks apart where addresses are counted.
func markAddress(mark uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, mark)))
}

func isVirtualProtocol(name string) bool {
	switch socket.Protocol(name) {
	case socket.TCP, socket.UDP, socket.SCTP:
		return true
	default: // AH and ESP have no ports.
		return false
	}
}

// parseVirtualAddress parses "0A600001:01BB" or "[2001:0db8:0000:0000:0000:0000:0000:0001]:01BB".
func parseVirtualAddress(text string) (netip.AddrPort, error) {
	malformed := fmt.Errorf("malformed address %.100q", text)
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return netip.AddrPort{}, malformed
	}
	port, err := strconv.ParseUint(text[colon+1:], 16, 16)
	if err != nil {
		return netip.AddrPort{}, malformed
	}
	host := text[:colon]
	if inner, ok := strings.CutPrefix(host, "["); ok {
		address, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || address.Zone() != "" {
			return netip.AddrPort{}, malformed
		}
		return netip.AddrPortFrom(address, uint16(port)), nil
	}
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw) != 4 {
		return netip.AddrPort{}, malformed
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw)), uint16(port)), nil
}
