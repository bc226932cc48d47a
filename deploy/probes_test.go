// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// checkPort checks that all who ask the agent ask at the port that it has.
func checkPort(t *testing.T, objects []runtime.Object) {
	t.Helper()
	template := the[*appsv1.DaemonSet](t, objects).Spec.Template
	container := template.Spec.Containers[0]
	metrics := corev1.ContainerPort{Name: "metrics", ContainerPort: 9547}
	if diff := cmp.Diff([]corev1.ContainerPort{metrics}, container.Ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	if got := template.Annotations["prometheus.io/port"]; got != fmt.Sprint(metrics.ContainerPort) {
		t.Errorf("the annotation gives Prometheus port %s", got)
	}
}

// checkProbes checks that an ordinary start makes no probe fail.
func checkProbes(t *testing.T, objects []runtime.Object) {
	t.Helper()
	container := the[*appsv1.DaemonSet](t, objects).Spec.Template.Spec.Containers[0]
	for path, probe := range map[string]*corev1.Probe{
		"/startupz": container.StartupProbe, "/livez": container.LivenessProbe, "/readyz": container.ReadinessProbe,
	} {
		if probe.HTTPGet.Path != path || probe.HTTPGet.Port.String() != container.Ports[0].Name {
			t.Errorf("probe of %s asks %s at port %s", path, probe.HTTPGet.Path, &probe.HTTPGet.Port)
		}
	}
	// The agent listens a moment after its start, and answers after 20 s at the latest.
	if probe := container.StartupProbe; probe.InitialDelaySeconds < 2 || probe.TimeoutSeconds <= 20 {
		t.Errorf("the startup probe begins after %d s and waits %d s", probe.InitialDelaySeconds, probe.TimeoutSeconds)
	}
	if container.TerminationMessagePolicy != corev1.TerminationMessageFallbackToLogsOnError {
		t.Errorf("terminationMessagePolicy %q", container.TerminationMessagePolicy)
	}
}
