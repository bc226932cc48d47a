// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"encoding/binary"

	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/nlattr"
)

// xtExtension is a match or a target of iptables, in a rule of nf_tables (nft_compat) or in an
// entry of legacy iptables.
type xtExtension struct {
	name     string
	revision uint32
	info     []byte
}

// decodeXT decodes an extension in a rule of nf_tables. The attributes of matches and targets have
// the same numbers.
func decodeXT(data []byte) (xtExtension, error) {
	var x xtExtension
	for attribute, err := range nlattr.All(data) {
		if err != nil {
			return xtExtension{}, err
		}
		switch attribute.Type {
		case unix.NFTA_MATCH_NAME:
			x.name = cString(attribute.Data)
		case unix.NFTA_MATCH_REV:
			x.revision, _ = number(attribute.Data)
		case unix.NFTA_MATCH_INFO:
			x.info = attribute.Data
		}
	}
	return x, nil
}

// xtMatch narrows the match by the extensions that are about ports, and keeps the comment.
func (d *ruleDecoder) xtMatch(x xtExtension) {
	ok := true
	switch x.name {
	case "comment":
		d.rule.comment = cString(x.info)
	case "tcp", "udp":
		info, err := xt.Unmarshal(x.name, xt.TableFamily(d.table), x.revision, x.info)
		if err != nil {
			return
		}
		switch info := info.(type) {
		case *xt.Tcp:
			ok = d.ports(info.DstPorts[0], info.DstPorts[1], info.InvFlags&xt.TcpInvDestPorts != 0)
		case *xt.Udp:
			ok = d.ports(info.DstPorts[0], info.DstPorts[1], info.InvFlags&xt.UdpInvDestPorts != 0)
		}
	case "sctp":
		ok = d.xtSCTP(x.info)
	case "multiport":
		d.xtMultiport(x)
	case "addrtype":
		ok = xtMayBeLocal(x)
	case "mark", "connmark":
		d.rule.marked = true
	}
	d.never = d.never || !ok
}

// ports narrows the match to ports, or to all others, and reports whether anything is left.
func (d *ruleDecoder) ports(first, last uint16, inverse bool) bool {
	if inverse {
		d.rule.lookups = append(d.rule.lookups, lookup{key: []part{{portField, 0, 2, 2}}, negated: true, inline: []element{{
			key: binary.BigEndian.AppendUint16(nil, first), end: binary.BigEndian.AppendUint16(nil, last),
		}}})
		return true
	}
	other := anyPacket()
	other.first, other.last = first, last
	var ok bool
	d.rule.match, ok = d.rule.match.and(other)
	return ok
}

// Parts of struct xt_sctp_info (include/uapi/linux/netfilter/xt_sctp.h).
const (
	xtSCTPSize     = 292
	xtSCTPFlags    = 284
	xtSCTPInvFlags = 288
	xtSCTPDstPorts = 2
)

// xtSCTP narrows the match by the destination ports in struct xt_sctp_info.
func (d *ruleDecoder) xtSCTP(info []byte) bool {
	if len(info) < xtSCTPSize {
		return true
	}
	flags, inverse := binary.NativeEndian.Uint32(info[xtSCTPFlags:]), binary.NativeEndian.Uint32(info[xtSCTPInvFlags:])
	if flags&xtSCTPDstPorts == 0 {
		return true
	}
	return d.ports(binary.NativeEndian.Uint16(info), binary.NativeEndian.Uint16(info[2:]), inverse&xtSCTPDstPorts != 0)
}

// Parts of struct xt_addrtype_info_v1 (include/uapi/linux/netfilter/xt_addrtype.h).
const (
	xtAddrtypeSize   = 8
	xtAddrtypeInvert = 0x02
	xtAddrtypeLocal  = 0x0004
)

// xtMayBeLocal reports whether a match for the type of address lets packets for the host pass.
func xtMayBeLocal(x xtExtension) bool {
	if x.revision != 1 || len(x.info) < xtAddrtypeSize {
		return true
	}
	asked, flags := binary.NativeEndian.Uint16(x.info[2:]), binary.NativeEndian.Uint32(x.info[4:])
	return asked == 0 || (asked&xtAddrtypeLocal != 0) == (flags&xtAddrtypeInvert == 0)
}

// Parts of struct xt_multiport_v1 (include/uapi/linux/netfilter/xt_multiport.h).
const (
	xtMultiportSize   = 48
	xtMultiportSource = 0
	xtMultiportPorts  = 2
	xtMultiportMax    = 15
	xtMultiportRanges = xtMultiportPorts + 2*xtMultiportMax
	xtMultiportInvert = xtMultiportRanges + xtMultiportMax
)

// xtMultiport adds the ports in struct xt_multiport_v1 as a lookup. A flag marks a port that
// begins a range, which the next one ends.
func (d *ruleDecoder) xtMultiport(x xtExtension) {
	info := x.info
	if x.revision != 1 || len(info) < xtMultiportSize || info[0] == xtMultiportSource {
		return
	}
	ports := lookup{key: []part{{portField, 0, 2, 2}}, negated: info[xtMultiportInvert] != 0}
	port := func(i int) []byte {
		return binary.BigEndian.AppendUint16(nil, binary.NativeEndian.Uint16(info[xtMultiportPorts+2*i:]))
	}
	count := min(int(info[1]), xtMultiportMax)
	for i := 0; i < count; i++ {
		e := element{key: port(i)}
		if info[xtMultiportRanges+i] != 0 && i+1 < count {
			i++
			e.end = port(i)
		}
		ports.inline = append(ports.inline, e)
	}
	d.rule.lookups = append(d.rule.lookups, ports)
}
