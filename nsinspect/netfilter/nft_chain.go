// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/nlattr"
)

// decodeBaseChain decodes a chain, and reports whether it is one in which packets for the host,
// or of the host itself, begin their way through the rules for NAT.
func decodeBaseChain(message nftMessage) (chain object, enters bool, err error) {
	chain.family = message.family
	var hook, kind []byte
	for attribute, err := range nlattr.All(message.attributes) {
		if err != nil {
			return object{}, false, err
		}
		switch attribute.Type {
		case unix.NFTA_CHAIN_TABLE:
			chain.table = cString(attribute.Data)
		case unix.NFTA_CHAIN_NAME:
			chain.name = cString(attribute.Data)
		case unix.NFTA_CHAIN_HOOK:
			hook = attribute.Data
		case unix.NFTA_CHAIN_TYPE:
			kind = attribute.Data
		}
	}
	hook, err = nlattr.Find(hook, unix.NFTA_HOOK_HOOKNUM)
	if err != nil {
		return object{}, false, err
	}
	place, ok := number(hook)
	switch {
	case !ok || cString(kind) != "nat" || chain.familyName() == "":
		return object{}, false, nil
	case place != unix.NF_INET_PRE_ROUTING && place != unix.NF_INET_LOCAL_OUT:
		return object{}, false, nil
	}
	return chain, true, nil
}

// familyName is the family as nft writes it; "" for those without NAT.
func (o object) familyName() string {
	switch o.family {
	case unix.NFPROTO_IPV4:
		return "ip"
	case unix.NFPROTO_IPV6:
		return "ip6"
	case unix.NFPROTO_INET:
		return "inet"
	}
	return ""
}

// tableName is the table as nft writes it.
func (o object) tableName() string { return o.familyName() + " " + o.table }
