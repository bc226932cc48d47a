// SPDX-License-Identifier: Apache-2.0

package level

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// guess is how to fill in what a node does not know of a manifest.
type guess bool

const (
	// lowest takes the worst that the kubelet would have handed on in the same way.
	lowest guess = false
	// highest takes the best.
	highest guess = true
)

// describe overwrites a manifest by one with this declaration, as far as admission reads it. Which
// of the containers are init containers makes no difference.
func describe(pod *corev1.PodSpec, members []*snapshot.Container, guess guess) {
	*pod = corev1.PodSpec{Containers: pod.Containers[:0], Volumes: pod.Volumes[:0], SecurityContext: &corev1.PodSecurityContext{}}
	for _, container := range members {
		declared := &container.Declared
		pod.HostNetwork = pod.HostNetwork || declared.Asks(nsinspect.Net)
		pod.HostPID = pod.HostPID || declared.Asks(nsinspect.PID)
		pod.HostIPC = pod.HostIPC || declared.Asks(nsinspect.IPC)
		described := corev1.Container{Name: container.Name, Ports: ports(declared, guess)}
		if request := container.SecurityRequest(); request != nil && !container.Sandbox {
			described.SecurityContext = securityContext(request, container.SecuritySpec(), guess)
			pod.Volumes = appendVolumes(pod.Volumes, container, guess)
			if request.UserNamespace {
				pod.HostUsers = new(false)
			}
			if len(pod.SecurityContext.Sysctls) == 0 { // Each container has those of the pod.
				pod.SecurityContext.Sysctls = sysctlsOf(request)
			}
		}
		switch {
		case container.Sandbox && len(described.Ports) == 0:
			continue
		case container.Sandbox: // It has the pod's ports, and nothing else that was asked for.
			described.SecurityContext = nothingAsked()
		}
		pod.Containers = append(pod.Containers, described)
	}
}

// nothingAsked is a security context that no level forbids.
func nothingAsked() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		RunAsNonRoot:             new(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

func ports(declared *inventory.Declaration, guess guess) []corev1.ContainerPort {
	var ports []corev1.ContainerPort
	for i := range declared.Ports {
		ports = append(ports, corev1.ContainerPort{HostPort: int32(declared.Ports[i].HostPort)})
	}
	if declared.PortsDetail != "" && guess == lowest {
		ports = append(ports, corev1.ContainerPort{HostPort: 1})
	}
	return ports
}

func sysctlsOf(request *inventory.SecurityRequest) []corev1.Sysctl {
	var sysctls []corev1.Sysctl
	for _, name := range slices.Sorted(maps.Keys(request.Sysctls)) {
		sysctls = append(sysctls, corev1.Sysctl{Name: name, Value: request.Sysctls[name]})
	}
	return sysctls
}

func securityContext(request *inventory.SecurityRequest, spec *inventory.SecuritySpec, guess guess) *corev1.SecurityContext {
	context := &corev1.SecurityContext{
		Privileged:     &request.Privileged,
		Capabilities:   &corev1.Capabilities{Add: names(request.Add), Drop: names(request.Drop)},
		SeccompProfile: seccompProfile(request.Seccomp, guess),
	}
	context.RunAsUser, context.RunAsNonRoot = user(request, guess)
	if request.NoNewPrivileges {
		context.AllowPrivilegeEscalation = new(false)
	}
	if profile := request.AppArmor; profile != nil {
		context.AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileType(profile.Type)}
	}
	if options := request.SELinux; options != nil {
		context.SELinuxOptions = &corev1.SELinuxOptions{User: options.User, Role: options.Role, Type: options.Type}
	}
	// A kubelet says what to cover unless nothing is to be. Other clients of the runtime leave it
	// to the runtime.
	if len(request.Masked)+len(request.ReadOnlyPaths) == 0 && (spec == nil || !coversProc(spec)) {
		context.ProcMount = new(corev1.UnmaskedProcMount)
	}
	return context
}

func names(spelled []string) []corev1.Capability {
	var capabilities []corev1.Capability
	for _, name := range spelled {
		capabilities = append(capabilities, corev1.Capability(name))
	}
	return capabilities
}

// user returns runAsUser and runAsNonRoot. The kubelet hands on the image's user where the pod
// names none, and does not hand on runAsNonRoot. With that it refuses root, and a user that the
// image has by name only.
func user(request *inventory.SecurityRequest, guess guess) (runAsUser *int64, runAsNonRoot *bool) {
	uid, named := request.User, request.Username != ""
	switch root := uid != nil && *uid == 0; {
	case guess == lowest && uid != nil:
		runAsUser = new(int64(*uid))
	case guess == highest && !root && !named:
		runAsNonRoot = new(true)
	}
	return runAsUser, runAsNonRoot
}

// seccompProfile returns the profile. The kubelet hands on an unconfined one where the pod names
// none, or the default one if it was told so (seccompDefault).
func seccompProfile(profile *inventory.Profile, guess guess) *corev1.SeccompProfile {
	switch {
	case profile == nil,
		profile.Type == inventory.Unconfined && guess == highest,
		profile.Type == inventory.RuntimeDefault && guess == lowest:
		return nil
	}
	return &corev1.SeccompProfile{Type: corev1.SeccompProfileType(profile.Type)}
}

// appendVolumes adds those of the volumes that a level may forbid.
func appendVolumes(volumes []corev1.Volume, container *snapshot.Container, guess guess) []corev1.Volume {
	mounts := asked(container)
	for i := range mounts {
		switch kind := volumeOf(&mounts[i], container); {
		case kind == ownVolume:
		case kind == repoVolume:
			volumes = append(volumes, corev1.Volume{VolumeSource: corev1.VolumeSource{GitRepo: &corev1.GitRepoVolumeSource{}}})
		case guess == highest: // By way of a claim.
		case kind == driverVolume:
			volumes = append(volumes, corev1.Volume{VolumeSource: corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{}}})
		default:
			volumes = append(volumes, corev1.Volume{VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{}}})
		}
	}
	return volumes
}
