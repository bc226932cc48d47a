// SPDX-License-Identifier: Apache-2.0

package runtimes

// podmanID recognises cgroups of Podman.
func podmanID(e element) (string, bool) {
	if id, ok := e.scope("libpod-"); ok {
		return id, true
	}
	return e.scope("libpod-payload-") // In the cgroup of a systemd unit, as Quadlet does it.
}

// isPodmanPod recognises the cgroup of a pod of Podman's on cgroupfs: a bare id, below which
// are the containers and, beside them, their monitors.
func isPodmanPod(e element) bool { return e.parent == "libpod_parent" }

// Podman's processes that hold, and may forward, a published port: its monitor, and what
// forwards where it runs without root.
const (
	conmon       = "conmon"
	rootlessPort = "rootlessport"
)

// netavarkChain is where Podman's netavark keeps host ports in iptables.
const netavarkChain = "NETAVARK-HOSTPORT-DNAT"

// netavarkOwner returns the container that the comment of a rule in that chain names
// (netavark, src/firewall/varktables/types.rs):
//
//	dnat name: NETWORK id: ID
func netavarkOwner(comment string) string {
	id, _ := cutLast(comment, " id: ")
	return id
}
