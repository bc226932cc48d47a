// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

// NormalPod shares nothing with the host.
func NormalPod() PodSpec {
	return PodSpec{Name: "normal", Containers: []ContainerSpec{{Name: "main"}}}
}

// HostNetworkPod is pod-with-host-network.yaml of the chapter on securing nodes.
func HostNetworkPod() PodSpec {
	return PodSpec{Name: "pod-with-host-network", HostNetwork: true, Containers: []ContainerSpec{sleeper("main")}}
}

// HostPortPod is the chapter's kubia-hostport.yaml: host port 9000 is to lead to port 8080.
func HostPortPod() PodSpec {
	return PodSpec{Name: "kubia-hostport", Containers: []ContainerSpec{{
		Name:  "kubia",
		Image: KubiaImage,
		Ports: []Port{{ContainerPort: 8080, HostPort: 9000, Protocol: "TCP"}},
	}}}
}

// HostPIDIPCPod is the chapter's pod-with-host-pid-and-ipc.yaml.
func HostPIDIPCPod() PodSpec {
	return PodSpec{
		Name: "pod-with-host-pid-and-ipc", HostPID: true, HostIPC: true,
		Containers: []ContainerSpec{sleeper("main")},
	}
}

// SharedPIDPod has two containers that share one PID namespace, which is not the host's.
func SharedPIDPod() PodSpec {
	return PodSpec{
		Name: "shared-pid", ShareProcessNamespace: true,
		Containers: []ContainerSpec{sleeper("main"), sleeper("sidecar")},
	}
}

func sleeper(name string) ContainerSpec {
	return ContainerSpec{Name: name, Command: []string{sleepPath, "9999999"}}
}
