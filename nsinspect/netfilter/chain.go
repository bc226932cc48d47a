package netfilter

import "golang.org/x/sys/unix"

// decodeBaseChain decodes a chain, and says whether it is one in which packets for the host, or
// of the host itself, begin their way through the rules for NAT.
func decodeBaseChain(message nftMessage) (nftObject, bool) {
	chain := nftObject{family: message.family}
	var hook, kind []byte
	for attribute, data := range attributes(message.attributes) {
		switch attribute {
		case unix.NFTA_CHAIN_TABLE:
			chain.table = cString(data)
		case unix.NFTA_CHAIN_NAME:
			chain.name = cString(data)
		case unix.NFTA_CHAIN_HOOK:
			hook = data
		case unix.NFTA_CHAIN_TYPE:
			kind = data
		}
	}
	number, ok := number(attribute(hook, unix.NFTA_HOOK_HOOKNUM))
	switch {
	case !ok || cString(kind) != "nat" || chain.familyName() == "":
		return nftObject{}, false
	case number != unix.NF_INET_PRE_ROUTING && number != unix.NF_INET_LOCAL_OUT:
		return nftObject{}, false
	}
	return chain, true
}

// familyName is the family as nft writes it, for those that know NAT by address.
func (o nftObject) familyName() string {
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
func (o nftObject) tableName() string { return o.familyName() + " " + o.table }
