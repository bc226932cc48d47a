// SPDX-License-Identifier: Apache-2.0

//go:build integration

package containerd_test

import (
	"os"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"
	corev1 "k8s.io/api/core/v1"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// inPod is a pod of one container.
func inPod(security *corev1.SecurityContext) runtimetest.PodSpec {
	return runtimetest.PodSpec{Containers: []runtimetest.ContainerSpec{{Name: "main", Security: security}}}
}

func declaredPods(refusing, allowing string) map[string]declaredPod {
	localhost := func(file string) *corev1.SecurityContext {
		return &corev1.SecurityContext{SeccompProfile: runtimetest.Seccomp(corev1.SeccompProfileTypeLocalhost, file)}
	}
	groups := inPod(nil)
	groups.Security = &corev1.PodSecurityContext{
		FSGroup: new(int64(2000)), SupplementalGroups: []int64{4000}, SupplementalGroupsPolicy: new(corev1.SupplementalGroupsPolicyStrict),
		Sysctls: []corev1.Sysctl{{Name: "net.ipv4.ip_local_port_range", Value: "1024 65535"}},
	}
	unconfined := &corev1.SecurityContext{
		AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined},
		SELinuxOptions:  &corev1.SELinuxOptions{Type: "spc_t"}, ProcMount: new(corev1.UnmaskedProcMount),
	}
	return map[string]declaredPod{
		"nothing-asked": {pod: inPod(nil), change: func(*declared) {}},
		"groups":        {pod: groups, change: changeGroups, keep: true},
		"restricted":    {pod: inPod(restricted()), change: changeRestricted, keep: true},
		"added": {pod: inPod(runtimetest.Add("NET_BIND_SERVICE", "CAP_NET_ADMIN", "sys_time")), change: func(d *declared) {
			d.Request.Add = []string{"NET_BIND_SERVICE", "CAP_NET_ADMIN", "sys_time"}
			d.everyCapability(runtimeDefaults | 1<<10 | 1<<25)
		}},
		"privileged": {pod: inPod(privileged()), change: changePrivileged, keep: true},
		"unconfined": {pod: inPod(unconfined), change: func(d *declared) {
			d.Request.AppArmor, d.Request.SELinux = &inventory.Profile{Type: inventory.Unconfined}, &inventory.SELinuxOptions{Type: "spc_t"}
			d.Request.Masked, d.Request.ReadOnlyPaths = nil, nil
			d.Spec.Masked, d.Spec.ReadOnlyPaths, d.Spec.AppArmor = nil, nil, ""
		}},
		"filter": {pod: inPod(localhost(refusing)), change: func(d *declared) {
			d.Request.Seccomp = &inventory.Profile{Type: inventory.Localhost, Name: refusing}
			d.Spec.Seccomp = true
		}},
		"filter-that-allows-all": {pod: inPod(localhost(allowing)), change: func(d *declared) {
			d.Request.Seccomp = &inventory.Profile{Type: inventory.Localhost, Name: allowing}
			d.Spec.SeccompAllowsAll = true
		}},
		"outside": {
			outside: []oci.SpecOpts{
				oci.WithUIDGID(7, 8), oci.WithAddedCapabilities([]string{"CAP_SYS_ADMIN"}), oci.WithMaskedPaths(nil), oci.WithAllDevicesAllowed,
				oci.WithHostNamespace(specs.UTSNamespace), oci.WithHostNamespace(specs.NetworkNamespace), oci.WithRootFSReadonly(),
			},
			change: func(d *declared) {
				d.Spec.UID, d.Spec.GID, d.Spec.Groups = 7, 8, []uint32{8}
				d.Spec.Masked, d.Spec.AllDevices, d.Spec.ReadOnlyRoot = nil, true, true
				d.everyCapability(runtimeDefaults | 1<<21)
				d.Spec.Host = []nsinspect.Kind{nsinspect.Net, nsinspect.User, nsinspect.UTS, nsinspect.Cgroup, nsinspect.Time}
			},
		},
	}
}

// changeGroups has a policy that 1.6 does not know: the record lacks it, and the groups of the image are added. Later
// ones add sysctls of their own to those of the pod.
func changeGroups(d *declared) {
	d.Request.Groups, d.Request.StrictGroups = []uint32{2000, 4000}, !d.old
	d.Request.Sysctls = map[string]string{"net.ipv4.ip_local_port_range": "1024 65535"}
	d.Spec.Groups = []uint32{0, 1, 10, 2000, 4000}
	if !d.old {
		d.Request.Sysctls["net.ipv4.ip_unprivileged_port_start"] = "0"
		d.Request.Sysctls["net.ipv4.ping_group_range"] = "0 2147483647"
		d.Spec.Groups = []uint32{0, 2000, 4000}
	}
}

func restricted() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		RunAsUser: new(int64(405)), RunAsGroup: new(int64(3000)), AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: runtimetest.Seccomp(corev1.SeccompProfileTypeRuntimeDefault, ""),
	}
}

func changeRestricted(d *declared) {
	d.Request.User, d.Request.Group, d.Request.NoNewPrivileges, d.Request.ReadOnlyRoot = new(uint32(405)), new(uint32(3000)), true, true
	d.Request.Drop, d.Request.Seccomp = []string{"ALL"}, &inventory.Profile{Type: inventory.RuntimeDefault}
	d.Spec.UID, d.Spec.GID, d.Spec.Groups = 405, 3000, []uint32{3000}
	d.Spec.NoNewPrivileges, d.Spec.ReadOnlyRoot, d.Spec.Seccomp = true, true, true
	d.everyCapability(0)
}

func privileged() *corev1.SecurityContext {
	security := runtimetest.Privileged()
	security.SeccompProfile = runtimetest.Seccomp(corev1.SeccompProfileTypeRuntimeDefault, "")
	return security
}

// changePrivileged has a profile and masked paths in the record that the runtime leaves out. It has the
// capabilities that containerd itself has, which is a child of this process.
func changePrivileged(d *declared) {
	d.Request.Privileged, d.Request.Seccomp = true, &inventory.Profile{Type: inventory.RuntimeDefault}
	d.Spec.Masked, d.Spec.ReadOnlyPaths, d.Spec.AppArmor, d.Spec.AllDevices = nil, nil, "", true
	d.Spec.Host = unlisted(false)
	d.everyCapability(ownCapabilities())
}

func ownCapabilities() nsinspect.Capabilities {
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		return 0
	}
	defer fs.Close()
	process, err := fs.Open(os.Getpid())
	if err != nil {
		return 0
	}
	defer process.Close()
	credentials, _ := process.Credentials()
	return credentials.Permitted
}
