// SPDX-License-Identifier: Apache-2.0

package level

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/policy"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// privileged judges by what makes a container privileged: all devices and all capabilities. On
// cgroup v2 the kernel does not show the device rules, so they are the spec's.
func (j *containerJudge) privileged() {
	if j.isPrivileged() {
		j.violate(Baseline, privilegedContainers, "all devices and capabilities")
	}
}

func (j *containerJudge) isPrivileged() bool {
	return j.spec != nil && j.spec.AllDevices && j.security.HasAll(j.spec.Bounding)
}

// hostPorts judges the ports of the host that lead to the container, and those that were declared.
func (j *containerJudge) hostPorts() {
	var ports []string
	add := func(port uint16, protocol string) {
		if text := fmt.Sprintf("%d/%s", port, protocol); !slices.Contains(ports, text) && len(ports) <= maxNames {
			ports = append(ports, text)
		}
	}
	if !j.container.Sandbox {
		for i := range j.container.Declared.Ports {
			port := &j.container.Declared.Ports[i]
			add(port.HostPort, string(port.Protocol))
		}
	}
	for i := range j.container.Forwards {
		forward := &j.container.Forwards[i]
		add(forward.HostPort, string(forward.Protocol))
	}
	switch unread := &j.container.Unread; {
	case len(ports) > 0:
		j.violate(Baseline, hostPorts, "%s", list(ports))
	case len(unread.Forwards)+len(unread.Opaque) > 0 || j.container.Declared.PortsDetail != "":
		j.unverify(hostPorts)
	}
}

// procMount judges what of /proc is covered. A privileged container has nothing covered, which is
// not counted twice. In a user namespace of its own, Baseline allows it since Kubernetes 1.35.
func (j *containerJudge) procMount() {
	if j.spec == nil || j.isPrivileged() {
		return
	}
	level := Baseline
	if j.ownUsers() {
		level = Restricted
	}
	mounts := j.container.Mounts
	switch {
	case !coversProc(j.spec):
		j.violate(level, procMount, "unmasked")
	case j.ended:
	case mounts == nil:
		j.unverify(procMount)
	case len(mounts.Exposed) > 0:
		j.violate(level, procMount, "%s not covered", list(mounts.Exposed))
	}
}

// coversProc reports whether the runtime was told to cover anything below /proc.
func coversProc(spec *inventory.SecuritySpec) bool {
	ofProc := func(p string) bool { return strings.HasPrefix(p, "/proc/") }
	return slices.ContainsFunc(spec.Masked, ofProc) || slices.ContainsFunc(spec.ReadOnlyPaths, ofProc)
}

// ownUsers reports whether the container has a user namespace of its own.
func (j *containerJudge) ownUsers() bool {
	if id := j.container.UserNamespace; !id.IsZero() {
		host, ok := j.host.Namespaces.Get(nsinspect.User)
		return ok && id != host
	}
	return j.spec != nil && len(j.spec.Users.UIDs) > 0
}

// sysctls judges those that the pod asked for: the kernel shows only those of the reader's own
// namespaces.
func (j *containerJudge) sysctls() {
	request := j.container.SecurityRequest()
	if request == nil {
		j.unverify(sysctls) // The runtime adds some of its own to the spec.
		return
	}
	if len(request.Sysctls) == 0 {
		return
	}
	check := policy.CheckSysctls()
	pod := &corev1.PodSpec{SecurityContext: &corev1.PodSecurityContext{Sysctls: sysctlsOf(request)}}
	if result := latest(&check).CheckPod(&metav1.ObjectMeta{}, pod); !result.Allowed {
		j.violate(Baseline, sysctls, "%s", result.ForbiddenDetail)
	}
}
