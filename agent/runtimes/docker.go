// SPDX-License-Identifier: Apache-2.0

package runtimes

import "strings"

// DockerNamespace is the containerd namespace of Docker.
const DockerNamespace = "moby"

// dockerProxy is Docker's process that holds, and may forward, a published port.
const dockerProxy = "docker-proxy"

// dockerID recognises cgroups of Docker.
func dockerID(e element) (string, bool) {
	if id, ok := e.scope("docker-"); ok {
		return id, true
	}
	return e.name, e.parent == "docker" && isID(e.name)
}

// IsDockerHostNetwork recognises --network=host by the path of the network namespace in the
// spec of a container: Docker lets it join its own mount of the host's (moby,
// daemon/oci_linux.go, WithNamespaces).
func IsDockerHostNetwork(runtimeNamespace, path string) bool {
	return runtimeNamespace == DockerNamespace && strings.HasSuffix(path, "/docker/netns/default")
}
