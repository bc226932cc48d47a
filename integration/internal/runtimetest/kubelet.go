// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"testing"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// sandboxConfig is what the kubelet makes of a pod for RunPodSandbox.
func (c *Containerd) sandboxConfig(spec PodSpec) *runtime.PodSandboxConfig {
	config := &runtime.PodSandboxConfig{
		Metadata:     &runtime.PodSandboxMetadata{Name: spec.Name, Namespace: spec.Namespace, Uid: spec.UID},
		LogDirectory: filepath.Join(c.dir, "logs"),
		Labels:       podLabels(spec, spec.Labels),
		Annotations:  spec.Annotations,
		// Without it, CRI copies the machine's resolv.conf, which a minimal machine may not have.
		DnsConfig: &runtime.DNSConfig{Servers: []string{"192.0.2.53"}},
		Linux: &runtime.LinuxPodSandboxConfig{
			CgroupParent:    c.podCgroup(spec.UID),
			SecurityContext: sandboxSecurity(spec),
		},
	}
	if spec.Security != nil && len(spec.Security.Sysctls) > 0 {
		config.Linux.Sysctls = make(map[string]string)
		for _, sysctl := range spec.Security.Sysctls {
			config.Linux.Sysctls[sysctl.Name] = sysctl.Value
		}
	}
	if !spec.HostNetwork {
		config.Hostname = spec.Name
	}
	for _, container := range spec.Containers {
		for _, port := range container.Ports {
			config.PortMappings = append(config.PortMappings, &runtime.PortMapping{
				Protocol:      runtime.Protocol(runtime.Protocol_value[protocol(port)]),
				ContainerPort: port.ContainerPort,
				HostPort:      port.HostPort,
				HostIp:        port.HostIP,
			})
		}
	}
	return config
}

// containerConfig is what the kubelet makes of a container for CreateContainer.
func (c *Containerd) containerConfig(
	ctx context.Context, t testing.TB, pod PodSpec, spec ContainerSpec, targetID string,
) *runtime.ContainerConfig {
	t.Helper()
	if spec.Image == "" {
		spec.Image = AlpineImage
	}
	security := containerSecurity(pod, spec)
	c.setUser(ctx, t, security, spec.Image)
	if targetID != "" {
		security.NamespaceOptions.Pid, security.NamespaceOptions.TargetId = runtime.NamespaceMode_TARGET, targetID
	}
	config := &runtime.ContainerConfig{
		Metadata:    &runtime.ContainerMetadata{Name: spec.Name},
		Image:       &runtime.ImageSpec{Image: spec.Image, UserSpecifiedImage: spec.Image},
		Command:     spec.Command,
		Mounts:      append(c.kubeletMounts(t, pod, spec.Name), spec.Mounts...),
		Labels:      podLabels(pod, spec.Labels),
		Annotations: map[string]string{"io.kubernetes.container.restartCount": "0"},
		LogPath:     pod.Name + "_" + spec.Name,
		Linux:       &runtime.LinuxContainerConfig{SecurityContext: security},
	}
	config.Labels["io.kubernetes.container.name"] = spec.Name
	if len(spec.Ports) > 0 {
		config.Annotations["io.kubernetes.container.ports"] = portsJSON(spec.Ports)
	}
	maps.Copy(config.Annotations, spec.Annotations)
	return config
}

// podLabels adds the kubelet's labels, which win over the pod's own.
func podLabels(spec PodSpec, own map[string]string) map[string]string {
	labels := maps.Clone(own)
	if labels == nil {
		labels = map[string]string{}
	}
	labels["io.kubernetes.pod.name"] = spec.Name
	labels["io.kubernetes.pod.namespace"] = spec.Namespace
	labels["io.kubernetes.pod.uid"] = spec.UID
	return labels
}

// namespaceOptions follows the kubelet: PID namespaces belong to containers unless the pod says otherwise.
func namespaceOptions(spec PodSpec) *runtime.NamespaceOption {
	options := &runtime.NamespaceOption{Pid: runtime.NamespaceMode_CONTAINER}
	if spec.HostNetwork {
		options.Network = runtime.NamespaceMode_NODE
	}
	if spec.HostIPC {
		options.Ipc = runtime.NamespaceMode_NODE
	}
	switch {
	case spec.HostPID:
		options.Pid = runtime.NamespaceMode_NODE
	case spec.ShareProcessNamespace:
		options.Pid = runtime.NamespaceMode_POD
	}
	if spec.UserNamespace {
		ids := idMappings(spec)
		options.UsernsOptions = &runtime.UserNamespace{Mode: runtime.NamespaceMode_POD, Uids: ids, Gids: ids}
	}
	return options
}

func protocol(port Port) string {
	if port.Protocol == "" {
		return "TCP"
	}
	return port.Protocol
}

// portsJSON spells the protocol out, as the API server's defaults do.
func portsJSON(ports []Port) string {
	spelled := make([]Port, len(ports))
	for i, port := range ports {
		port.Protocol = protocol(port)
		spelled[i] = port
	}
	text, err := json.Marshal(spelled)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return string(text)
}
