// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// idRange is how many ids a pod with a user namespace gets.
const idRange = 65536

// Privileged is the security context of a privileged container.
func Privileged() *corev1.SecurityContext { return &corev1.SecurityContext{Privileged: new(true)} }

// sandboxSecurity is what the kubelet asks for the pause container (generatePodSandboxLinuxConfig).
func sandboxSecurity(spec PodSpec) *runtime.LinuxSandboxSecurityContext {
	security := &runtime.LinuxSandboxSecurityContext{
		NamespaceOptions: namespaceOptions(spec),
		Seccomp:          &runtime.SecurityProfile{ProfileType: runtime.SecurityProfile_RuntimeDefault},
	}
	for _, container := range spec.Containers {
		if s := container.Security; s != nil && s.Privileged != nil && *s.Privileged {
			security.Privileged = true
		}
	}
	if pod := spec.Security; pod != nil {
		security.RunAsUser, security.RunAsGroup = id(pod.RunAsUser), id(pod.RunAsGroup)
		security.SupplementalGroups, security.SupplementalGroupsPolicy = groups(pod)
		security.SelinuxOptions = seLinux(pod.SELinuxOptions)
	}
	return security
}

// containerSecurity is what the kubelet makes of a container's security context and of its pod's: all but the user
// where neither names one (determineEffectiveSecurityContext).
func containerSecurity(pod PodSpec, container ContainerSpec) *runtime.LinuxContainerSecurityContext {
	own, pods := container.Security, pod.Security
	if own == nil {
		own = &corev1.SecurityContext{}
	}
	if pods == nil {
		pods = &corev1.PodSecurityContext{}
	}
	security := &runtime.LinuxContainerSecurityContext{
		NamespaceOptions: namespaceOptions(pod),
		RunAsUser:        id(first(own.RunAsUser, pods.RunAsUser)),
		RunAsGroup:       id(first(own.RunAsGroup, pods.RunAsGroup)),
		Privileged:       own.Privileged != nil && *own.Privileged,
		ReadonlyRootfs:   own.ReadOnlyRootFilesystem != nil && *own.ReadOnlyRootFilesystem,
		NoNewPrivs:       own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation,
		Capabilities:     capabilities(own.Capabilities),
		SelinuxOptions:   seLinux(first(own.SELinuxOptions, pods.SELinuxOptions)),
		Seccomp:          seccomp(first(own.SeccompProfile, pods.SeccompProfile)),
	}
	if profile := first(own.AppArmorProfile, pods.AppArmorProfile); profile != nil {
		security.Apparmor = profileOf(string(profile.Type), profile.LocalhostProfile)
	}
	security.SupplementalGroups, security.SupplementalGroupsPolicy = groups(pods)
	if own.ProcMount == nil || *own.ProcMount == corev1.DefaultProcMount {
		security.MaskedPaths, security.ReadonlyPaths = maskedPaths(), readonlyPaths()
	}
	return security
}

// setUser sets the user of the image where the pod named none, and root where the image names none either.
func (c *Containerd) setUser(ctx context.Context, t testing.TB, security *runtime.LinuxContainerSecurityContext, image string) {
	t.Helper()
	if security.RunAsUser != nil {
		return
	}
	service := runtime.NewImageServiceClient(c.conn())
	status, err := service.ImageStatus(ctx, &runtime.ImageStatusRequest{Image: &runtime.ImageSpec{Image: image}})
	if err != nil {
		t.Fatalf("find the user of image %s: %v", image, err)
	}
	switch {
	case status.GetImage().GetUid() != nil:
		security.RunAsUser = status.GetImage().GetUid()
	case status.GetImage().GetUsername() != "":
		security.RunAsUsername = status.GetImage().GetUsername()
	default:
		security.RunAsUser = &runtime.Int64Value{}
	}
}

func first[T any](own, pods *T) *T {
	if own != nil {
		return own
	}
	return pods
}

func id(value *int64) *runtime.Int64Value {
	if value == nil {
		return nil
	}
	return &runtime.Int64Value{Value: *value}
}

// groups returns the fsGroup first.
func groups(pod *corev1.PodSecurityContext) (ids []int64, policy runtime.SupplementalGroupsPolicy) {
	if pod.FSGroup != nil {
		ids = append(ids, *pod.FSGroup)
	}
	ids = append(ids, pod.SupplementalGroups...)
	if pod.SupplementalGroupsPolicy != nil {
		policy = runtime.SupplementalGroupsPolicy(runtime.SupplementalGroupsPolicy_value[string(*pod.SupplementalGroupsPolicy)])
	}
	return ids, policy
}

func capabilities(c *corev1.Capabilities) *runtime.Capability {
	if c == nil {
		return nil
	}
	converted := &runtime.Capability{}
	for _, name := range c.Add {
		converted.AddCapabilities = append(converted.AddCapabilities, string(name))
	}
	for _, name := range c.Drop {
		converted.DropCapabilities = append(converted.DropCapabilities, string(name))
	}
	return converted
}

func seLinux(options *corev1.SELinuxOptions) *runtime.SELinuxOption {
	if options == nil {
		return nil
	}
	return &runtime.SELinuxOption{User: options.User, Role: options.Role, Type: options.Type, Level: options.Level}
}

// seccomp hands over Unconfined for no profile, as a kubelet without seccompDefault does. A Localhost profile is a file
// of the host here, and not one below the kubelet's directory.
func seccomp(profile *corev1.SeccompProfile) *runtime.SecurityProfile {
	if profile == nil {
		return &runtime.SecurityProfile{ProfileType: runtime.SecurityProfile_Unconfined}
	}
	return profileOf(string(profile.Type), profile.LocalhostProfile)
}

func profileOf(name string, localhost *string) *runtime.SecurityProfile {
	profile := &runtime.SecurityProfile{ProfileType: runtime.SecurityProfile_ProfileType(runtime.SecurityProfile_ProfileType_value[name])}
	if localhost != nil {
		profile.LocalhostRef = *localhost
	}
	return profile
}

// maskedPaths are the kubelet's (pkg/securitycontext), but for one for each CPU.
func maskedPaths() []string {
	return []string{
		"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
	}
}

func readonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}

// idMappings returns nil for a pod without a user namespace.
func idMappings(spec PodSpec) []*runtime.IDMapping {
	if !spec.UserNamespace {
		return nil
	}
	return []*runtime.IDMapping{{HostId: spec.FirstID, Length: idRange}}
}

// User returns what a manifest has for runAsUser.
func User(uid int64) *corev1.SecurityContext { return &corev1.SecurityContext{RunAsUser: &uid} }

// Add returns what a manifest has for capabilities.add.
func Add(names ...corev1.Capability) *corev1.SecurityContext {
	return &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: names}}
}

// Seccomp returns what a manifest has for a type of seccompProfile, of which localhost is the file.
func Seccomp(kind corev1.SeccompProfileType, localhost string) *corev1.SeccompProfile {
	profile := &corev1.SeccompProfile{Type: kind}
	if kind == corev1.SeccompProfileTypeLocalhost {
		profile.LocalhostProfile = &localhost
	}
	return profile
}
