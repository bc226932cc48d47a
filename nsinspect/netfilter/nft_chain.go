// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/nlattr"
)

// entrances are the hooks at which rules may decide where packets go that are for the host, or are
// the host's own, by family: bits of their numbers (include/uapi/linux/netfilter.h and
// netfilter_bridge.h, in which they are the same).
func entrances(family byte, kind string) uint {
	const (
		prerouting = 1 << unix.NF_INET_PRE_ROUTING
		input      = 1 << unix.NF_INET_LOCAL_IN
		output     = 1 << unix.NF_INET_LOCAL_OUT
		ingress    = 1 << unix.NF_INET_NUMHOOKS
	)
	switch {
	case kind == "nat":
		return prerouting | output
	case family == unix.NFPROTO_NETDEV:
		return 1 << unix.NF_NETDEV_INGRESS
	}
	return ingress | prerouting | input | output
}

// decodeBaseChain decodes a chain, and reports whether it is one in which packets for the host,
// or of the host itself, begin their way through rules that may send them elsewhere.
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
	case !ok || chain.familyName() == "":
		return object{}, false, nil
	case place >= 8 || entrances(chain.family, cString(kind))&(1<<place) == 0:
		return object{}, false, nil
	}
	return chain, true, nil
}

// familyName is the family as nft writes it; "" for those that have no packets of IP.
func (o object) familyName() string {
	switch o.family {
	case unix.NFPROTO_IPV4:
		return "ip"
	case unix.NFPROTO_IPV6:
		return "ip6"
	case unix.NFPROTO_INET:
		return "inet"
	case unix.NFPROTO_BRIDGE:
		return "bridge"
	case unix.NFPROTO_NETDEV:
		return "netdev"
	}
	return ""
}

// tableName is the table as nft writes it.
func (o object) tableName() string { return o.familyName() + " " + o.table }
