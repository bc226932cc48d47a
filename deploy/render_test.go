// SPDX-License-Identifier: Apache-2.0

// Package deploy_test holds the manifests to what they promise, without a cluster: every
// field exists, and the agent gets no privilege but the ones that docs/deploy.md names.
package deploy_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

// podMonitor is as much of the Prometheus operator's kind as is used here. The operator's
// module would bring its types, and with them a hundred others.
type podMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector            metav1.LabelSelector `json:"selector"`
		PodMetricsEndpoints []struct {
			Port        string `json:"port"`
			Path        string `json:"path"`
			Interval    string `json:"interval"`
			HonorLabels bool   `json:"honorLabels"`
			Relabelings []struct {
				SourceLabels []string `json:"sourceLabels"`
				TargetLabel  string   `json:"targetLabel"`
			} `json:"relabelings"`
		} `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

// DeepCopyObject makes it an object that the decoder can fill; nothing copies it.
func (m *podMonitor) DeepCopyObject() runtime.Object { return m }

// kustomizations finds the base and the overlays. It reads every directory and file here, which tells go test's cache
// which files the result depends on: it does not see what kustomize reads.
func kustomizations(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir("kustomize", func(path string, entry fs.DirEntry, err error) error {
		// Components change what an overlay names beside them, and are nothing alone.
		if err == nil && entry.Name() == "kustomization.yaml" && !strings.HasPrefix(path, "kustomize/components/") {
			dirs = append(dirs, filepath.Dir(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// render runs the kustomize that make manifests runs.
func render(t *testing.T, dir string) []byte {
	t.Helper()
	path, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	kustomize := exec.CommandContext(t.Context(), "go", "-C", "../integration/tools/kustomize", "tool", "kustomize", "build", path)
	kustomize.Stderr = os.Stderr
	rendered, err := kustomize.Output()
	if err != nil {
		t.Fatalf("kustomize build %s: %v", dir, err)
	}
	return rendered
}

// decode is strict: an unknown kind, an unknown field and a field set twice are errors.
func decode(t *testing.T, rendered []byte) []runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, rbacv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	scheme.AddKnownTypeWithName(schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "PodMonitor"}, &podMonitor{})
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()

	var objects []runtime.Object
	for document := range bytes.SplitSeq(rendered, []byte("\n---\n")) {
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		objects = append(objects, object)
	}
	return objects
}

// the returns the only object of a type.
func the[T runtime.Object](t *testing.T, objects []runtime.Object) T {
	t.Helper()
	var found []T
	for _, object := range objects {
		if object, ok := object.(T); ok {
			found = append(found, object)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects of type %T, want 1", len(found), *new(T))
	}
	return found[0]
}
