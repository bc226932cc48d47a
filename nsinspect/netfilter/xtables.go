// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"bytes"
	"encoding/binary"
	"net"

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
			if info.InvFlags&xt.TcpInvDestPorts == 0 {
				ok = d.ports(info.DstPorts[0], info.DstPorts[1])
			}
		case *xt.Udp:
			if info.InvFlags&xt.UdpInvDestPorts == 0 {
				ok = d.ports(info.DstPorts[0], info.DstPorts[1])
			}
		}
	case "sctp":
		ok = d.xtSCTP(x.info)
	case "multiport":
		d.xtMultiport(x)
	}
	d.never = d.never || !ok
}

// ports narrows the match to ports and reports whether anything is left.
func (d *ruleDecoder) ports(first, last uint16) bool {
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
	if flags&xtSCTPDstPorts == 0 || inverse&xtSCTPDstPorts != 0 {
		return true
	}
	return d.ports(binary.NativeEndian.Uint16(info), binary.NativeEndian.Uint16(info[2:]))
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
	if x.revision != 1 || len(info) < xtMultiportSize || info[0] == xtMultiportSource || info[xtMultiportInvert] != 0 {
		return
	}
	ports := lookup{key: []part{{portField, 0, 2, 2}}}
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

// xtTarget decodes the target DNAT. Others, such as REDIRECT, lead to no other address.
func (d *ruleDecoder) xtTarget(x xtExtension) {
	if x.name != "DNAT" {
		return
	}
	// Revision 0 has a number of ranges, from which the decoder allocates; it is always 1.
	one := binary.NativeEndian.AppendUint32(nil, 1)
	if x.revision == 0 && !bytes.HasPrefix(x.info, one) {
		d.rule.unknown = true
		return
	}
	info, err := xt.Unmarshal(x.name, xt.TableFamily(d.table), x.revision, x.info)
	if err != nil {
		d.rule.unknown = true
		return
	}
	switch info := info.(type) {
	case *xt.NatIPv4MultiRangeCompat:
		d.natRange(xt.NatRange((*info)[0]), 0)
	case *xt.NatRange:
		d.natRange(*info, 0)
	case *xt.NatRange2:
		d.natRange(info.NatRange, info.BasePort)
	default:
		d.rule.unknown = true
	}
}

// natRange decodes struct nf_nat_range2 (include/uapi/linux/netfilter/nf_nat.h).
func (d *ruleDecoder) natRange(r xt.NatRange, base uint16) {
	flags := xt.NatRangeFlags(r.Flags)
	if flags&xt.NatRangeMapIPs == 0 {
		return // Only the port changes.
	}
	if flags&xt.NatRangeProtoOffset == 0 {
		base = 0
	}
	ranged := flags&xt.NatRangeProtoSpecified != 0 && r.MinPort != r.MaxPort && base == 0
	if !r.MinIP.Equal(r.MaxIP) || ranged || flags&xt.NatRangeNetmap != 0 {
		d.rule.unknown = true
		return
	}
	target := natTarget{family: d.table, host: natSource{data: natIP(r.MinIP)}, base: base}
	if flags&xt.NatRangeProtoSpecified != 0 {
		target.port.data = binary.BigEndian.AppendUint16(nil, r.MinPort)
	}
	d.rule.target = &target
}

// natIP returns the bytes of an address, never nil: that would mean that there is none.
func natIP(ip net.IP) []byte { return append(make([]byte, 0, len(ip)), ip...) }
