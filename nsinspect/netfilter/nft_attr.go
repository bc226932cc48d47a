// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/nlattr"
)

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
// (userdata.Get) trusts the length in the data, and reads beyond their end.
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
// if the data are too short.
func verdictChain(data []byte) (string, error) {
	verdict, err := nlattr.Find(data, unix.NFTA_DATA_VERDICT)
	if err != nil {
		return "", err
	}
	var code uint32
	var chain string
	for attribute, err := range nlattr.All(verdict) {
		if err != nil {
			return "", err
		}
		switch attribute.Type {
		case unix.NFTA_VERDICT_CODE:
			code, _ = number(attribute.Data)
		case unix.NFTA_VERDICT_CHAIN:
			chain = cString(attribute.Data)
		}
	}
	if kind := int32(code); kind != unix.NFT_JUMP && kind != unix.NFT_GOTO {
		return "", nil
	}
	return chain, nil
}
