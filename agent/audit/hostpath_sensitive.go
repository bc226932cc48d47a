// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"path"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// isSensitive reports whether a path of the host is one by which a container can take over the
// host, or one that has such a path below it.
func isSensitive(source string) bool {
	if slices.ContainsFunc(sensitiveTrees(), func(tree string) bool { return inventory.Within(source, tree) }) {
		return true
	}
	if slices.Contains(runtimeSockets(), path.Base(source)) {
		return true
	}
	has := func(p string) bool { return inventory.Within(p, source) }
	return slices.ContainsFunc(sensitiveTrees(), has) || slices.ContainsFunc(sensitivePaths(), has)
}

// sensitiveTrees are directories of which every part is sensitive: the kernel's switches, the keys
// of the cluster, and what the kubelet keeps of all pods.
func sensitiveTrees() []string {
	return []string{"/proc", "/etc/kubernetes", "/var/lib/kubelet", "/var/lib/rancher", "/var/lib/k0s", "/var/snap/microk8s", "/root", "/boot"}
}

// sensitivePaths are sensitive themselves, and what is below them need not be: a container may well
// have /etc/localtime.
func sensitivePaths() []string {
	return []string{
		"/etc", "/etc/passwd", "/etc/shadow", "/etc/ssh", "/etc/cron.d", "/etc/systemd", "/etc/ld.so.preload",
		"/dev", "/sys", "/usr", "/lib/modules", "/var/log", "/var/lib/docker", "/var/lib/containerd",
		"/run/containerd/containerd.sock", "/run/docker.sock", "/run/crio/crio.sock", "/run/podman/podman.sock",
		"/run/cri-dockerd.sock", "/run/k3s/containerd/containerd.sock", "/run/k0s/containerd.sock",
		"/var/run/containerd/containerd.sock", "/var/run/docker.sock", "/var/run/crio/crio.sock",
	}
}

// runtimeSockets are the names of the sockets of container runtimes, wherever they are: whoever
// may write to one can start a privileged container.
func runtimeSockets() []string {
	return []string{"containerd.sock", "docker.sock", "crio.sock", "podman.sock", "cri-dockerd.sock", "dockershim.sock"}
}
