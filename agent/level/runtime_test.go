// SPDX-License-Identifier: Apache-2.0

package level_test

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// Capabilities, by number.
const (
	chown      nsinspect.Capabilities = 1 << 0
	netAdmin   nsinspect.Capabilities = 1 << 12
	sysAdmin   nsinspect.Capabilities = 1 << 21
	defaults   nsinspect.Capabilities = 0xa80425fb
	everything nsinspect.Capabilities = 1<<41 - 1
)

// mapped is where the user namespaces of pods begin on the host.
const mapped = 131072

// fakeNode is a node of which the kubelet and containerd do what those of Kubernetes 1.37 and
// containerd 2.4 do.
type fakeNode struct {
	module nsinspect.SecurityModule
	// imageUser is the user of every image.
	imageUser uint32
}

// refuses reports whether the kubelet starts a container of the pod at all.
func (n *fakeNode) refuses(pod *corev1.Pod) bool {
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		nonRoot := false
		if shared := pod.Spec.SecurityContext; shared != nil && shared.RunAsNonRoot != nil {
			nonRoot = *shared.RunAsNonRoot
		}
		if own := c.SecurityContext; own != nil && own.RunAsNonRoot != nil {
			nonRoot = *own.RunAsNonRoot
		}
		if nonRoot && *n.request(pod, &c, "").User == 0 {
			return true
		}
	}
	return false
}

// namespace returns the ID of a namespace: the host's begin with 1.
func namespace(kind nsinspect.Kind, pod int) nsinspect.ID {
	return nsinspect.ID{Dev: 4, Ino: uint64(100*(pod+1) + int(kind))}
}

func namespaces(pod int, shared ...nsinspect.Kind) nsinspect.Namespaces {
	var all nsinspect.Namespaces
	for _, kind := range nsinspect.Kinds() {
		if slices.Contains(shared, kind) {
			all.Set(kind, namespace(kind, 0))
		} else {
			all.Set(kind, namespace(kind, pod))
		}
	}
	return all
}

// run returns what a scan sees of pods that run, beside one that asks for nothing. Init containers
// have ended.
func (n *fakeNode) run(pods ...*corev1.Pod) *snapshot.Snapshot {
	snap := &snapshot.Snapshot{
		Node:         "n",
		Host:         nsinspect.HostReference{Reference: nsinspect.ByPID1, PID: 1, Namespaces: namespaces(0)},
		HostSecurity: &snapshot.HostSecurity{Bounding: everything, Module: n.module},
		Inventory:    inventory.Inventory{Source: inventory.FromContainerd},
	}
	other := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}}}
	other.Namespace, other.Name = "zz-other", "other"
	for i, pod := range append(pods, other) {
		for _, container := range n.pod(pod, i+1) {
			if container.Status == inventory.Stopped {
				snap.Ended = append(snap.Ended, container.Container)
			} else {
				snap.Containers = append(snap.Containers, container)
			}
		}
	}
	return snap
}

func (n *fakeNode) pod(pod *corev1.Pod, number int) []snapshot.Container {
	identity := &inventory.Pod{Namespace: pod.Namespace, Name: pod.Name, UID: fmt.Sprintf("00000000-0000-0000-0000-%012d", number)}
	if identity.Namespace == "" {
		identity.Namespace = "default"
	}
	box := fmt.Sprintf("box-%d", number)
	declared := inventory.Declaration{By: inventory.ByPod}
	for kind, asked := range map[nsinspect.Kind]bool{nsinspect.Net: pod.Spec.HostNetwork, nsinspect.PID: pod.Spec.HostPID, nsinspect.IPC: pod.Spec.HostIPC} {
		if asked {
			declared.Host = append(declared.Host, kind)
		}
	}
	sandbox := inventory.Container{
		ID: box, Sandbox: true, SandboxID: box, Pod: identity, Status: inventory.Running, Declared: declared,
		Security: &inventory.Security{Spec: &inventory.SecuritySpec{UID: 65535, GID: 65535, Bounding: defaults, Seccomp: true}},
	}
	containers := []snapshot.Container{{Container: sandbox}}
	for i, containersOf := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for k := range containersOf {
			c := &containersOf[k]
			listed := inventory.Container{
				ID: fmt.Sprintf("id-%d-%s", number, c.Name), Name: c.Name, SandboxID: box, Pod: identity,
				Status: inventory.Running, PID: 1000*number + k, Declared: declared,
			}
			for _, port := range c.Ports {
				if port.HostPort != 0 {
					listed.Declared.Ports = append(listed.Declared.Ports, inventory.Port{Protocol: socket.TCP, HostPort: uint16(port.HostPort), ContainerPort: uint16(port.ContainerPort)})
				}
			}
			request := n.request(pod, c, identity.UID)
			listed.Security = &inventory.Security{Request: request, Spec: n.spec(request, declared.Host)}
			if i == 0 {
				listed.Status = inventory.Stopped
				containers = append(containers, snapshot.Container{Container: listed})
				continue
			}
			containers = append(containers, n.start(listed, number))
		}
	}
	return containers
}

// request returns what the kubelet hands on.
func (n *fakeNode) request(pod *corev1.Pod, c *corev1.Container, uid string) *inventory.SecurityRequest {
	shared, own := pod.Spec.SecurityContext, c.SecurityContext
	if shared == nil {
		shared = &corev1.PodSecurityContext{}
	}
	if own == nil {
		own = &corev1.SecurityContext{}
	}
	request := &inventory.SecurityRequest{
		User:            new(n.imageUser),
		NoNewPrivileges: own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation,
		Privileged:      own.Privileged != nil && *own.Privileged,
		Seccomp:         &inventory.Profile{Type: inventory.Unconfined},
		UserNamespace:   pod.Spec.HostUsers != nil && !*pod.Spec.HostUsers,
		Masked:          []string{"/proc/asound", "/proc/kcore", "/proc/keys"},
		ReadOnlyPaths:   []string{"/proc/bus", "/proc/sys"},
	}
	for _, user := range []*int64{shared.RunAsUser, own.RunAsUser} {
		if user != nil {
			request.User = new(uint32(*user))
		}
	}
	for _, profile := range []*corev1.SeccompProfile{shared.SeccompProfile, own.SeccompProfile} {
		if profile != nil {
			request.Seccomp = &inventory.Profile{Type: inventory.ProfileType(profile.Type)}
		}
	}
	for _, profile := range []*corev1.AppArmorProfile{shared.AppArmorProfile, annotated(pod, c), own.AppArmorProfile} {
		if profile != nil {
			request.AppArmor = &inventory.Profile{Type: inventory.ProfileType(profile.Type)}
		}
	}
	for _, options := range []*corev1.SELinuxOptions{shared.SELinuxOptions, own.SELinuxOptions} {
		if options != nil {
			request.SELinux = &inventory.SELinuxOptions{User: options.User, Role: options.Role, Type: options.Type, Level: options.Level}
		}
	}
	if own.Capabilities != nil {
		request.Add, request.Drop = spelled(own.Capabilities.Add), spelled(own.Capabilities.Drop)
	}
	if own.ProcMount != nil && *own.ProcMount == corev1.UnmaskedProcMount {
		request.Masked, request.ReadOnlyPaths = nil, nil
	}
	for _, sysctl := range shared.Sysctls {
		if request.Sysctls == nil {
			request.Sysctls = make(map[string]string)
		}
		request.Sysctls[sysctl.Name] = sysctl.Value
	}
	request.Mounts = mounts(pod, c.Name, uid)
	return request
}

// annotated returns the profile that the API server copies from an annotation into a field.
func annotated(pod *corev1.Pod, c *corev1.Container) *corev1.AppArmorProfile {
	switch value := pod.Annotations[corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix+c.Name]; {
	case value == "unconfined":
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
	case value == "runtime/default":
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}
	case strings.HasPrefix(value, "localhost/"):
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeLocalhost}
	}
	return nil
}

func spelled(capabilities []corev1.Capability) []string {
	var names []string
	for _, c := range capabilities {
		names = append(names, string(c))
	}
	return names
}

// mounts mounts every volume of the pod, and what the kubelet adds.
func mounts(pod *corev1.Pod, container, uid string) []inventory.Mount {
	dir := "/var/lib/kubelet/pods/" + uid
	all := []inventory.Mount{
		{Source: dir + "/etc-hosts", Point: "/etc/hosts"},
		{Source: dir + "/containers/" + container + "/0a1b2c3d", Point: "/dev/termination-log"},
		{Source: dir + "/volumes/kubernetes.io~projected/kube-api-access", Point: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true},
	}
	for i := range pod.Spec.Volumes {
		volume := &pod.Spec.Volumes[i]
		mount := inventory.Mount{Point: "/volumes/" + volume.Name, Recursive: true}
		if volume.HostPath != nil {
			mount.Source = volume.HostPath.Path
		} else if plugin := pluginOf(&volume.VolumeSource); plugin != "" {
			mount.Source = dir + "/volumes/kubernetes.io~" + plugin + "/" + volume.Name
		}
		all = append(all, mount)
	}
	return all
}

// pluginOf returns the name of the kubelet's directory of a volume; empty for an image.
func pluginOf(volume *corev1.VolumeSource) string {
	switch {
	case volume.Image != nil:
		return ""
	case volume.ConfigMap != nil:
		return "configmap"
	case volume.CSI != nil, volume.PersistentVolumeClaim != nil, volume.Ephemeral != nil:
		return "csi"
	case volume.DownwardAPI != nil:
		return "downward-api"
	case volume.EmptyDir != nil:
		return "empty-dir"
	case volume.Projected != nil:
		return "projected"
	case volume.Secret != nil:
		return "secret"
	case volume.GitRepo != nil:
		return "git-repo"
	}
	return "nfs"
}

// spec returns what containerd tells runc.
func (n *fakeNode) spec(request *inventory.SecurityRequest, host []nsinspect.Kind) *inventory.SecuritySpec {
	held := capabilities(request)
	spec := &inventory.SecuritySpec{
		UID: *request.User, GID: *request.User,
		Bounding: held, Effective: held, Permitted: held,
		NoNewPrivileges: request.NoNewPrivileges,
		Masked:          request.Masked, ReadOnlyPaths: request.ReadOnlyPaths,
		Host:    append(slices.Clone(host), nsinspect.Time),
		Mounts:  append([]inventory.Mount{{Point: "/proc"}, {Source: "/run/containerd/io.containerd.grpc.v1.cri/sandboxes/box/shm", Point: "/dev/shm"}}, request.Mounts...),
		Sysctls: map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"},
	}
	if request.UserNamespace {
		ids := nsinspect.IDMap{{Inside: 0, Outside: mapped, Count: 65536}}
		spec.Users = nsinspect.IDMaps{UIDs: ids, GIDs: ids}
	} else {
		spec.Host = append(spec.Host, nsinspect.User)
	}
	if request.Privileged {
		spec.AllDevices, spec.Masked, spec.ReadOnlyPaths = true, nil, nil
		return spec
	}
	spec.Seccomp = request.Seccomp != nil && request.Seccomp.Type != inventory.Unconfined
	switch n.module {
	case nsinspect.AppArmor:
		spec.AppArmor = "cri-containerd.apparmor.d"
		if request.AppArmor != nil {
			switch request.AppArmor.Type {
			case inventory.Unconfined:
				spec.AppArmor = ""
			case inventory.Localhost:
				spec.AppArmor = "localhost-profile"
			case inventory.RuntimeDefault:
			}
		}
	case nsinspect.SELinux:
		spec.SELinux = "system_u:system_r:container_t:s0:c1,c2"
		if options := request.SELinux; options != nil && options.Type != "" {
			spec.SELinux = "system_u:system_r:" + options.Type + ":s0:c1,c2"
		}
	}
	return spec
}

// capabilities returns what containerd makes of what was asked for.
func capabilities(request *inventory.SecurityRequest) nsinspect.Capabilities {
	if request.Privileged {
		return everything
	}
	held := defaults
	named := func(name string) nsinspect.Capabilities {
		capability, _ := nsinspect.CapabilityNamed(strings.ToUpper(name))
		return capability
	}
	all := func(name string) bool { return strings.EqualFold(name, "ALL") }
	if slices.ContainsFunc(request.Add, all) {
		held = everything
	}
	if slices.ContainsFunc(request.Drop, all) {
		held = 0
	}
	for _, name := range request.Add {
		held |= named(name)
	}
	for _, name := range request.Drop {
		held &^= named(name)
	}
	return held
}

// start returns what the kernel shows of a container.
func (n *fakeNode) start(listed inventory.Container, pod int) snapshot.Container {
	spec := listed.Security.Spec
	credentials := snapshot.Credentials{Credentials: nsinspect.Credentials{
		Bounding: spec.Bounding, Permitted: spec.Permitted, Effective: spec.Effective,
		NoNewPrivileges: spec.NoNewPrivileges,
		Known:           nsinspect.FieldAmbient | nsinspect.FieldNoNewPrivileges | nsinspect.FieldSeccomp | nsinspect.FieldFilters,
	}}
	uid := spec.UID
	if len(spec.Users.UIDs) > 0 {
		uid += mapped
	}
	credentials.UIDs = nsinspect.IDs{Real: uid, Effective: uid, Saved: uid, Filesystem: uid}
	if uid != 0 && uid != mapped {
		credentials.Permitted, credentials.Effective = 0, 0
	}
	if spec.Seccomp {
		credentials.Seccomp, credentials.Filters = nsinspect.SeccompFilter, 1
	}
	switch n.module {
	case nsinspect.AppArmor:
		credentials.Label = &nsinspect.Label{Module: n.module, Name: nsinspect.Unconfined}
		if spec.AppArmor != "" {
			credentials.Label = &nsinspect.Label{Module: n.module, Name: spec.AppArmor, Mode: "enforce"}
		}
	case nsinspect.SELinux:
		credentials.Label = &nsinspect.Label{Module: n.module, Name: "system_u:system_r:spc_t:s0"}
		if spec.SELinux != "" {
			credentials.Label = &nsinspect.Label{Module: n.module, Name: spec.SELinux}
		}
	}
	seen := namespaces(pod, spec.Host...)
	users, _ := seen.Get(nsinspect.User)
	return snapshot.Container{
		Container:     listed,
		UserNamespace: users,
		Credentials:   []snapshot.Credentials{credentials},
		Mounts:        &snapshot.Mounts{},
		Processes: []snapshot.Process{{
			PID: listed.PID, Command: "pause",
			Groups:      []nsinspect.ThreadGroup{{Namespaces: seen, Threads: 1}},
			Credentials: []snapshot.CredentialGroup{{Set: 0, Threads: 1}},
		}},
	}
}
