package netfilter

import (
	"bytes"
	"encoding/binary"
	"net"

	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/nlattr"
)

// xtExtension is a match or a target of iptables, be it inside of a rule of nf_tables
// (nft_compat) or of its own.
type xtExtension struct {
	name     string
	revision uint32
	info     []byte
}

// decodeXT decodes an extension. The attributes of matches and of targets have the same
// numbers.
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

// xtMatch narrows the match by the extensions that tell ports, and keeps the comment.
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

// ports narrows the match to ports and says whether anything is left.
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

// xtMultiport takes the ports in struct xt_multiport_v1 for a lookup. A port that the next one
// is the end of the range of is marked.
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

// xtTarget takes in the target DNAT. Others, such as REDIRECT, lead to no other address.
func (d *ruleDecoder) xtTarget(x xtExtension) {
	if x.name != "DNAT" {
		return
	}
	// Revision 0 has a number of ranges, by which the decoder allocates; it is always 1.
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

// natRange takes in struct nf_nat_range2 (include/uapi/linux/netfilter/nf_nat.h).
func (d *ruleDecoder) natRange(r xt.NatRange, base uint16) {
	flags := xt.NatRangeFlags(r.Flags)
	if flags&xt.NatRangeMapIPs == 0 {
		return // To another port of where it was going.
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

// natIP is an address by its bytes; it is never nil, which would stand for no address.
func natIP(ip net.IP) []byte { return append(make([]byte, 0, len(ip)), ip...) }
