package netfilter

import (
	"strings"

	"golang.org/x/sys/unix"
)

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

// serviceTables are of those who implement Services in tables of their own: kube-proxy in its
// mode nftables (k8s.io/kubernetes, pkg/proxy/nftables).
var serviceTables = [...]string{"kube-proxy"}

// servicePrefixes begin the names of chains that implement Services, policies and meshes in
// tables that all share: of kube-proxy and kube-router (KUBE-), Calico, Cilium, OVN-Kubernetes,
// Antrea and Istio.
var servicePrefixes = [...]string{"KUBE-", "cali-", "CILIUM_", "OLD_CILIUM_", "OVN-KUBE-", "ANTREA-", "ISTIO_"}

// hostPortPrefixes begin the names of the chains in which CRI-O keeps host ports
// (cri-o, internal/hostport).
var hostPortPrefixes = [...]string{"KUBE-HOSTPORTS", "KUBE-HP-"}

// servesServices says whether a chain implements Services, by its name. They are reached
// through the host's ports too, but it takes a Service to make one, which is no pod's doing.
func servesServices(chain nftObject) bool {
	for _, table := range serviceTables {
		if chain.table == table {
			return true
		}
	}
	for _, prefix := range hostPortPrefixes {
		if strings.HasPrefix(chain.name, prefix) {
			return false
		}
	}
	for _, prefix := range servicePrefixes {
		if strings.HasPrefix(chain.name, prefix) {
			return true
		}
	}
	return false
}

// portmapTable is where portmap keeps its rules natively, each with the id as its comment
// (containernetworking/plugins, portmap_nftables.go). Of the older backend and of Podman the
// comment of the rule that leads to a container's chain says more (portmap_iptables.go;
// netavark, src/firewall/varktables/types.rs).
const (
	portmapTable  = "cni_hostport"
	portmapChain  = "CNI-HOSTPORT-DNAT"
	netavarkChain = "NETAVARK-HOSTPORT-DNAT"
)

// ownerOf returns the id that a rule's comment names; "" where it names none, or none whole.
func ownerOf(chain nftObject, comment string) string {
	switch {
	case chain.table == portmapTable:
		return comment
	case chain.name == portmapChain:
		// dnat name: "NETWORK" id: "ID", cut off after 255 bytes.
		id, ok := cutLast(comment, `" id: "`)
		id, whole := strings.CutSuffix(id, `"`)
		if ok && whole {
			return id
		}
	case chain.name == netavarkChain:
		// dnat name: NETWORK id: ID
		id, _ := cutLast(comment, " id: ")
		return id
	}
	return ""
}

// cutLast returns what is behind the last separator, and whether there is one.
func cutLast(text, separator string) (after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return "", false
	}
	return text[i+len(separator):], true
}
