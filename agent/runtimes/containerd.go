// SPDX-License-Identifier: Apache-2.0

package runtimes

import "strings"

// CRINamespace is the containerd namespace of its CRI plugin. Elsewhere the plugin's labels
// and annotations mean nothing: anyone may set them.
const CRINamespace = "k8s.io"

// ContainerdSockets are the places where containerd listens: its own default, k3s and RKE2,
// MicroK8s, k0s, and the containerd that Docker starts itself.
func ContainerdSockets() []string {
	return []string{
		"/run/containerd/containerd.sock",
		"/run/k3s/containerd/containerd.sock",
		"/var/snap/microk8s/common/run/containerd.sock",
		"/run/k0s/containerd.sock",
		"/run/docker/containerd/containerd.sock",
	}
}

// containerdID recognises cgroups of containerd's CRI plugin.
func containerdID(e element) (string, bool) {
	if id, ok := e.scope("cri-containerd-"); ok {
		return id, true
	}
	before, id, ok := e.triple()
	return id, ok && strings.HasSuffix(before, ":cri-containerd")
}
