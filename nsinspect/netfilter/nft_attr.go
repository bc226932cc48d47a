package netfilter

import (
	"bytes"
	"encoding/binary"
	"iter"

	"golang.org/x/sys/unix"
)

const (
	// nlaHeader is the size of struct nlattr (netlink(7)).
	nlaHeader = 4
	// nlaTypeMask leaves out the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER.
	nlaTypeMask = 1<<14 - 1
)

// attributes walks the netlink attributes in b, by type. Nothing is copied: a rule has dozens
// of them, and most are passed over. It ends at what is no attribute.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= nlaHeader {
			length := int(binary.NativeEndian.Uint16(b))
			if length < nlaHeader || length > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&nlaTypeMask, b[nlaHeader:length]) {
				return
			}
			b = b[min(align4(length), len(b)):]
		}
	}
}

// attribute returns the first attribute of this type, or nil.
func attribute(b []byte, want uint16) []byte {
	for kind, data := range attributes(b) {
		if kind == want {
			return data
		}
	}
	return nil
}

// align4 is the next multiple of 4: NLA_ALIGN, and the width of a register of nf_tables.
func align4(n int) int { return (n + 3) &^ 3 }

// number decodes a number as nf_tables sends it.
func number(b []byte) (uint32, bool) {
	if len(b) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(b), true
}

// cString is the text before the first 0 byte.
func cString(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	return string(text)
}

// The types of a rule's user data, which the kernel keeps and does not look at
// (libnftnl, include/libnftnl/udata.h).
const udataComment = 0

// comment returns the comment in a rule's user data. The decoder of google/nftables
// (userdata.Get) reads beyond the end of data that say so.
func comment(udata []byte) string {
	for len(udata) >= 2 {
		kind, length := udata[0], int(udata[1])
		udata = udata[2:]
		if length > len(udata) {
			return ""
		}
		if kind == udataComment {
			return cString(udata[:length])
		}
		udata = udata[length:]
	}
	return ""
}

// verdictChain returns the chain that a verdict leads to: NFTA_DATA_VERDICT inside of data.
// It is empty for the other verdicts. The decoder of google/nftables (expr.Verdict) panics
// at what is too short.
func verdictChain(data []byte) string {
	verdict := attribute(data, unix.NFTA_DATA_VERDICT)
	code, _ := number(attribute(verdict, unix.NFTA_VERDICT_CODE))
	if kind := int32(code); kind != unix.NFT_JUMP && kind != unix.NFT_GOTO {
		return ""
	}
	return cString(attribute(verdict, unix.NFTA_VERDICT_CHAIN))
}
