// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"encoding/binary"

	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// xtTarget decodes a target of iptables.
func (d *ruleDecoder) xtTarget(x xtExtension) {
	switch x.name {
	case "DNAT", "NETMAP":
		d.xtNAT(x, DNAT)
	case "REDIRECT":
		d.xtNAT(x, Redirect)
	case "TPROXY":
		d.xtTProxy(x)
	case "ACCEPT", "AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "CT", "DROP", "DSCP", "HL", "HMARK",
		"IDLETIMER", "LED", "LOG", "MARK", "MASQUERADE", "NFLOG", "NOTRACK", "RATEEST", "REJECT", "RETURN", "SECMARK",
		"SET", "SNAT", "SYNPROXY", "TCPMSS", "TCPOPTSTRIP", "TOS", "TRACE", "TTL":
		// They leave the destination as it is.
	case "NFQUEUE":
		// A program decides. That network policies are made so is usual.
	default:
		d.rule.unknown = true
	}
}

// natRange is struct nf_nat_range2 (include/uapi/linux/netfilter/nf_nat.h), or one of its
// predecessors.
type natRange struct {
	flags                 xt.NatRangeFlags
	host, lastHost        []byte
	port, lastPort, based []byte
}

// Sizes of the predecessors: struct nf_nat_ipv4_multi_range_compat with its one range, and struct
// nf_nat_range.
const (
	natCompatSize = 20
	natRangeSize  = 40
)

// natRangeOf decodes the range of a target. Revision 0 of those for IPv4 has a number of ranges,
// which is always 1.
func natRangeOf(family byte, x xtExtension) (natRange, bool) {
	info := x.info
	if family == unix.NFPROTO_IPV4 && x.revision == 0 {
		if len(info) < natCompatSize || binary.NativeEndian.Uint32(info) != 1 {
			return natRange{}, false
		}
		return natRange{
			flags: xt.NatRangeFlags(binary.NativeEndian.Uint32(info[4:])),
			host:  info[8:12], lastHost: info[12:16], port: info[16:18], lastPort: info[18:20],
		}, true
	}
	length := 16
	if family == unix.NFPROTO_IPV4 {
		length = 4
	}
	if family != unix.NFPROTO_IPV4 && family != unix.NFPROTO_IPV6 || len(info) < natRangeSize {
		return natRange{}, false
	}
	r := natRange{
		flags: xt.NatRangeFlags(binary.NativeEndian.Uint32(info)),
		host:  info[4:][:length], lastHost: info[20:][:length], port: info[36:38], lastPort: info[38:40],
	}
	if r.flags&xt.NatRangeProtoOffset != 0 {
		if len(info) < natRangeSize+2 {
			return natRange{}, false
		}
		r.based = info[natRangeSize:][:2]
	}
	return r, true
}

// xtNAT decodes a target that rewrites the destination. Without an address only the port changes,
// and a redirection without a port changes nothing for a packet that was for the host anyway.
func (d *ruleDecoder) xtNAT(x xtExtension, kind Kind) {
	r, ok := natRangeOf(d.table, x)
	if !ok {
		d.rule.unknown = true
		return
	}
	target := natTarget{kind: kind, family: d.table}
	hasPort := r.flags&xt.NatRangeProtoSpecified != 0
	switch {
	case kind == DNAT && r.flags&xt.NatRangeMapIPs != 0:
		target.host, target.lastHost = natSource{data: r.host}, natSource{data: r.lastHost}
	case !hasPort:
		return
	default:
		target.kind = Redirect
	}
	if hasPort {
		target.port, target.lastPort = natSource{data: r.port}, natSource{data: r.lastPort}
	}
	if r.based != nil {
		target.base = binary.BigEndian.Uint16(r.based)
	}
	d.rule.target = &target
}

// Parts of struct xt_tproxy_target_info and of struct xt_tproxy_target_info_v1
// (include/uapi/linux/netfilter/xt_TPROXY.h).
const (
	xtTProxyPort0 = 12
	xtTProxyPort1 = 24
)

// xtTProxy decodes the target that gives packets to a socket. To which of the host's addresses is
// of no importance: the port tells who listens.
func (d *ruleDecoder) xtTProxy(x xtExtension) {
	at := xtTProxyPort0
	if x.revision == 1 {
		at = xtTProxyPort1
	}
	if x.revision > 1 || len(x.info) < at+2 || binary.BigEndian.Uint16(x.info[at:]) == 0 {
		d.rule.unknown = true // Without a port it is a socket that has the packet's own, on any address.
		return
	}
	d.rule.target = &natTarget{kind: TProxy, family: d.table, port: natSource{data: x.info[at:][:2]}}
}
