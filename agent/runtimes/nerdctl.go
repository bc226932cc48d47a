// SPDX-License-Identifier: Apache-2.0

package runtimes

import "strings"

// nerdctlID recognises cgroups of nerdctl with the systemd cgroup driver. With cgroupfs they
// tell nothing: NAMESPACE/ID.
func nerdctlID(e element) (string, bool) { return e.scope("nerdctl-") }

// CutOwner cuts the owner of a rule, as [RuleOwner] returns it, into the runtime of a container,
// its namespace there and its id. nerdctl calls CNI plugins with NAMESPACE-ID, of a namespace
// of containerd. Podman gives the id alone, which is of no runtime that lists its containers.
func CutOwner(owner string) (runtime, namespace, id string) {
	dash := strings.LastIndexByte(owner, '-')
	if dash < 0 {
		return "", "", owner
	}
	return Containerd, owner[:dash], owner[dash+1:]
}
