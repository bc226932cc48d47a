// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"os"
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const policyFile = "kustomize/base/policy.yaml"

// checkPolicy checks that the agent gets the policy, and that a change of it restarts no agent.
func checkPolicy(t *testing.T, objects []runtime.Object) {
	t.Helper()
	text, err := os.ReadFile(policyFile)
	if err != nil {
		t.Fatal(err)
	}
	config := the[*corev1.ConfigMap](t, objects)
	if diff := cmp.Diff(map[string]string{"policy.yaml": string(text)}, config.Data); diff != "" {
		t.Errorf("ConfigMap (-want +got):\n%s", diff)
	}
	set := the[*appsv1.DaemonSet](t, objects)
	if config.Namespace != set.Namespace {
		t.Errorf("the ConfigMap is in namespace %s, the agents are in %s", config.Namespace, set.Namespace)
	}
	pod := set.Spec.Template.Spec
	container := pod.Containers[0]
	var volume *corev1.ConfigMapVolumeSource
	for i := range pod.Volumes {
		if pod.Volumes[i].Name == "policy" {
			volume = pod.Volumes[i].ConfigMap
		}
	}
	want := &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "nsaudit-policy"}, Optional: new(true)}
	if diff := cmp.Diff(want, volume); diff != "" || config.Name != want.Name {
		t.Errorf("ConfigMap %s, volume (-want +got):\n%s", config.Name, diff)
	}
	for _, mount := range container.VolumeMounts {
		if file := path.Join(mount.MountPath, "policy.yaml"); mount.Name == "policy" && variable(container, "NSAUDIT_POLICY") != file {
			t.Errorf("--policy is %s, want %s", variable(container, "NSAUDIT_POLICY"), file)
		}
	}
	for _, env := range container.Env {
		if env.Name == "NSAUDIT_POD_UID" && env.ValueFrom.FieldRef.FieldPath == "metadata.uid" {
			return
		}
	}
	t.Error("--pod-uid is not the pod's UID: the agent would report itself")
}
