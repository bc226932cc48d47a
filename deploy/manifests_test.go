// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// settings are what the overlays change.
type settings struct {
	Kinds                     string
	Image, SocketDir, Address string
	HostNetwork               bool
	Listen                    string
	Events                    string
}

// TestManifests renders the base and each overlay, and holds all of them to the same promises.
func TestManifests(t *testing.T) {
	const (
		kinds = "Namespace ServiceAccount ClusterRole ClusterRoleBinding ConfigMap DaemonSet"
		image = "ghcr.io/nsaudit/nsaudit:v0.1.0"
		ports = "$(NSAUDIT_HOST_IP):9547,127.0.0.1:9547"
	)
	want := map[string]settings{
		"kustomize/base":                       {kinds, image, "/run/containerd", "", true, ports, ""},
		"kustomize/overlays/all-events":        {kinds, image, "/run/containerd", "", true, ports, "all"},
		"kustomize/overlays/containerd-socket": {kinds, image, "/var/snap/microk8s/common/run", "/run/containerd/containerd.sock", true, ports, ""},
		"kustomize/overlays/k3s":               {kinds, image, "/run/k3s/containerd", "", true, ports, ""},
		"kustomize/overlays/kind":              {kinds, "localhost/nsaudit:dev", "/run/containerd", "", true, ports, ""},
		"kustomize/overlays/podmonitor":        {kinds + " PodMonitor", image, "/run/containerd", "", true, ports, ""},

		"kustomize/overlays/without-host-network": {kinds, image, "/run/containerd", "", false, ":9547", ""},
	}
	promises := map[string]func(*testing.T, []runtime.Object){
		"privileges": checkPrivileges,
		"volumes":    checkVolumes,
		"access":     checkAccess,
		"scheduling": checkScheduling,
		"memory":     checkMemory,
		"port":       checkPort,
		"probes":     checkProbes,
		"policy":     checkPolicy,
	}
	got := make(map[string]settings)
	for _, dir := range kustomizations(t) {
		objects := decode(t, render(t, dir))
		got[dir] = settingsOf(t, objects)
		for name, promise := range promises {
			t.Run(dir+"/"+name, func(t *testing.T) { promise(t, objects) })
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kustomizations (-want +got):\n%s", diff)
	}
}

func settingsOf(t *testing.T, objects []runtime.Object) settings {
	t.Helper()
	pod := the[*appsv1.DaemonSet](t, objects).Spec.Template.Spec
	var kinds []string
	for _, object := range objects {
		kinds = append(kinds, object.GetObjectKind().GroupVersionKind().Kind)
	}
	return settings{
		Kinds:     strings.Join(kinds, " "),
		Image:     pod.Containers[0].Image,
		SocketDir: hostPaths(pod)["containerd"],
		Address:   variable(pod.Containers[0], "NSAUDIT_CONTAINERD_ADDRESS"),

		HostNetwork: pod.HostNetwork,
		Listen:      variable(pod.Containers[0], "NSAUDIT_LISTEN_ADDRESS"),
		Events:      variable(pod.Containers[0], "NSAUDIT_EVENTS"),
	}
}

// checkPrivileges checks that the agent has the least that it can work with.
func checkPrivileges(t *testing.T, objects []runtime.Object) {
	t.Helper()
	pod := the[*appsv1.DaemonSet](t, objects).Spec.Template.Spec
	capabilities := []corev1.Capability{"SYS_PTRACE"}
	if pod.HostNetwork {
		capabilities = append(capabilities, "NET_ADMIN")
	}
	if pod.HostPID || pod.HostIPC || pod.SecurityContext != nil {
		t.Error("the pod shares the host's PID or IPC namespace, or has a security context beside its container's")
	}
	if len(pod.Containers) != 1 || len(pod.InitContainers) != 0 {
		t.Errorf("%d containers and %d init containers, want 1 and none", len(pod.Containers), len(pod.InitContainers))
	}
	want := &corev1.SecurityContext{
		RunAsUser:                new(int64(0)),
		RunAsGroup:               new(int64(0)),
		Privileged:               new(false),
		AllowPrivilegeEscalation: new(false),
		ReadOnlyRootFilesystem:   new(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: capabilities},
		AppArmorProfile:          &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		SELinuxOptions:           &corev1.SELinuxOptions{Type: "spc_t"},
	}
	if diff := cmp.Diff(want, pod.Containers[0].SecurityContext); diff != "" {
		t.Errorf("security context (-want +got):\n%s", diff)
	}
}

// checkVolumes checks that of the node only two directories are there, and are read, beside the
// policy.
func checkVolumes(t *testing.T, objects []runtime.Object) {
	t.Helper()
	pod := the[*appsv1.DaemonSet](t, objects).Spec.Template.Spec
	want := []corev1.VolumeMount{
		{Name: "proc", MountPath: "/host/proc", ReadOnly: true, RecursiveReadOnly: new(corev1.RecursiveReadOnlyIfPossible)},
		{Name: "containerd", MountPath: "/run/containerd", ReadOnly: true, MountPropagation: new(corev1.MountPropagationHostToContainer)},
		{Name: "policy", MountPath: "/etc/nsaudit/policy", ReadOnly: true},
	}
	if diff := cmp.Diff(want, pod.Containers[0].VolumeMounts); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	paths := hostPaths(pod)
	if len(pod.Volumes) != len(want) || len(paths) != len(want)-1 || paths["proc"] != "/proc" {
		t.Errorf("volumes %v, want the node's /proc, containerd's directory and the policy", pod.Volumes)
	}
	if got := variable(pod.Containers[0], "NSAUDIT_PROCFS"); got != want[0].MountPath {
		t.Errorf("--procfs is %s, want %s", got, want[0].MountPath)
	}
}

// checkAccess checks what the API server lets the agent do.
func checkAccess(t *testing.T, objects []runtime.Object) {
	t.Helper()
	role := the[*rbacv1.ClusterRole](t, objects)
	want := []rbacv1.PolicyRule{{APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}}}
	if diff := cmp.Diff(want, role.Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}

	account := the[*corev1.ServiceAccount](t, objects)
	binding := the[*rbacv1.ClusterRoleBinding](t, objects)
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Name: account.Name, Namespace: account.Namespace}}
	if diff := cmp.Diff(subjects, binding.Subjects); diff != "" || binding.RoleRef.Name != role.Name {
		t.Errorf("binding of %s, subjects (-want +got):\n%s", binding.RoleRef.Name, diff)
	}

	pod := the[*appsv1.DaemonSet](t, objects).Spec.Template.Spec
	if pod.ServiceAccountName != account.Name || *account.AutomountServiceAccountToken || !*pod.AutomountServiceAccountToken {
		t.Error("the pod, and only the pod, is to get the token of its account")
	}
}

// checkScheduling checks that the agent gets onto every node and stays there.
func checkScheduling(t *testing.T, objects []runtime.Object) {
	t.Helper()
	namespace := the[*corev1.Namespace](t, objects)
	for _, mode := range []string{"enforce", "audit", "warn"} {
		if level := namespace.Labels["pod-security.kubernetes.io/"+mode]; level != "privileged" {
			t.Errorf("Pod Security Admission: %s is %q, want privileged", mode, level)
		}
	}
	set := the[*appsv1.DaemonSet](t, objects)
	selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
	if err != nil || selector.Empty() || !selector.Matches(labels.Set(set.Spec.Template.Labels)) {
		t.Errorf("selector %v of labels %v: %v", selector, set.Spec.Template.Labels, err)
	}
	pod := set.Spec.Template.Spec
	if diff := cmp.Diff([]corev1.Toleration{{Operator: corev1.TolerationOpExists}}, pod.Tolerations); diff != "" {
		t.Errorf("tolerations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{corev1.LabelOSStable: "linux"}, pod.NodeSelector); diff != "" {
		t.Errorf("node selector (-want +got):\n%s", diff)
	}
}

// checkMemory checks that the Go runtime knows of the limit, and leaves room below it.
func checkMemory(t *testing.T, objects []runtime.Object) {
	t.Helper()
	container := the[*appsv1.DaemonSet](t, objects).Spec.Template.Spec.Containers[0]
	limit := container.Resources.Limits.Memory()
	soft, err := resource.ParseQuantity(strings.TrimSuffix(variable(container, "GOMEMLIMIT"), "B"))
	if err != nil || soft.Cmp(*limit) >= 0 || soft.Cmp(*container.Resources.Requests.Memory()) <= 0 {
		t.Errorf("GOMEMLIMIT %s: want it between request and limit, %s: %v", &soft, limit, err)
	}
	if !container.Resources.Limits.Cpu().IsZero() {
		t.Error("a limit of the CPU: a throttled look takes longer, and sees less")
	}
}

// TestPodMonitor checks that it finds the pods, and their port.
func TestPodMonitor(t *testing.T) {
	objects := decode(t, render(t, "kustomize/overlays/podmonitor"))
	template := the[*appsv1.DaemonSet](t, objects).Spec.Template
	monitor := the[*podMonitor](t, objects)
	selector, err := metav1.LabelSelectorAsSelector(&monitor.Spec.Selector)
	if err != nil || selector.Empty() || !selector.Matches(labels.Set(template.Labels)) {
		t.Errorf("selector %v of labels %v: %v", selector, template.Labels, err)
	}
	if len(monitor.Spec.PodMetricsEndpoints) != 1 || monitor.Spec.PodMetricsEndpoints[0].Port != template.Spec.Containers[0].Ports[0].Name {
		t.Errorf("endpoints %+v", monitor.Spec.PodMetricsEndpoints)
	}
}

// hostPaths returns the node's paths by the names of their volumes.
func hostPaths(pod corev1.PodSpec) map[string]string {
	paths := make(map[string]string)
	for _, volume := range pod.Volumes {
		if volume.HostPath != nil {
			paths[volume.Name] = volume.HostPath.Path
		}
	}
	return paths
}

func variable(container corev1.Container, name string) string {
	i := slices.IndexFunc(container.Env, func(env corev1.EnvVar) bool { return env.Name == name })
	if i < 0 {
		return ""
	}
	return container.Env[i].Value
}
