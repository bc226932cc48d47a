// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"fmt"
	"strings"
	"testing"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// stored wraps a document as containerd stores it.
func stored(text string) *anypb.Any { return &anypb.Any{Value: []byte(text)} }

// assembled decodes records and joins them.
func assembled(namespace string, records []*containersapi.Container, tasks map[string]task, stored map[string]sandbox) []inventory.Container {
	var all []decoded
	for _, record := range records {
		all = append(all, decodeRecord(namespace, record))
	}
	return assemble(all, tasks, stored)
}

// sandboxRecord is a pause container as containerd 1.6 to 2.4 record it.
func sandboxRecord(id, options string) *containersapi.Container {
	return &containersapi.Container{
		ID:     id,
		Labels: map[string]string{"io.cri-containerd.kind": "sandbox", "app": "web", "io.kubernetes.pod.name": "p"},
		Spec:   stored(`{"linux":{"cgroupsPath":"/kubepods/podu/` + id + `","namespaces":[{"type":"pid"},{"type":"ipc"}]}}`),
		Extensions: map[string]*anypb.Any{"io.cri-containerd.sandbox.metadata": stored(
			`{"Version":"v1","Metadata":{"ID":"` + id + `","Config":{"metadata":{"name":"p","namespace":"default","uid":"u"},` +
				`"labels":{"app":"web"},"linux":{"security_context":{"namespace_options":` + options + `}}}}}`)},
	}
}

func podContainerRecord(id, sandbox string) *containersapi.Container {
	return &containersapi.Container{
		ID:    id,
		Image: "docker.io/library/alpine:latest",
		// A label that came with the image, named as the kubelet's.
		Labels: map[string]string{"io.cri-containerd.kind": "container", "io.kubernetes.pod.name": "from-the-image"},
		Spec: stored(`{"annotations":{"io.kubernetes.cri.sandbox-id":"` + sandbox + `"},"linux":{"namespaces":[` +
			`{"type":"network","path":"/proc/10/ns/net"},{"type":"pid"},{"type":"ipc","path":"/proc/10/ns/ipc"}]}}`),
		Extensions: map[string]*anypb.Any{"io.cri-containerd.container.metadata": stored(
			`{"Version":"v1","Metadata":{"ID":"` + id + `","SandboxID":"` + sandbox + `","Config":{"metadata":{"name":"main"}}}}`)},
	}
}

func TestAssemblePods(t *testing.T) {
	t.Parallel()
	pod := &inventory.Pod{Namespace: "default", Name: "p", UID: "u", Labels: map[string]string{"app": "web"}}
	tests := map[string]struct {
		options string
		want    inventory.Declaration
	}{
		"normal":                 {`{"pid":1}`, inventory.Declaration{By: inventory.ByPod}},
		"none given":             {`null`, inventory.Declaration{By: inventory.ByPod}},
		"host network":           {`{"network":2,"pid":1}`, inventory.Declaration{By: inventory.ByPod, Host: []nsinspect.Kind{nsinspect.Net}}},
		"host pid and ipc":       {`{"pid":2,"ipc":2}`, inventory.Declaration{By: inventory.ByPod, Host: []nsinspect.Kind{nsinspect.PID, nsinspect.IPC}}},
		"shareProcessNamespace":  {`{}`, inventory.Declaration{By: inventory.ByPod}},
		"a mode never seen":      {`{"network":7}`, inventory.Declaration{By: inventory.ByPod}},
		"user namespace options": {`{"pid":1,"userns_options":{"mode":0}}`, inventory.Declaration{By: inventory.ByPod}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tasks := map[string]task{"box": {inventory.Running, 10}, "c": {inventory.Running, 11}}
			got := assembled("k8s.io", []*containersapi.Container{podContainerRecord("c", "box"), sandboxRecord("box", test.options)}, tasks, nil)
			want := []inventory.Container{
				{
					ID: "c", RuntimeName: "containerd", RuntimeNamespace: "k8s.io", Name: "main", Image: "docker.io/library/alpine:latest",
					Pod: pod, SandboxID: "box", Status: inventory.Running, PID: 11, Declared: test.want,
				},
				{
					ID: "box", RuntimeName: "containerd", RuntimeNamespace: "k8s.io", Pod: pod, Sandbox: true, SandboxID: "box",
					Status: inventory.Running, PID: 10, CgroupsPath: "/kubepods/podu/box", Declared: test.want,
				},
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(inventory.Container{}, "Security")); diff != "" {
				t.Errorf("containers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAssembleWithoutThePauseContainer(t *testing.T) {
	t.Parallel()
	records := []*containersapi.Container{podContainerRecord("c", "box")}
	got := assembled("k8s.io", records, nil, nil)[0]
	if got.Declared.By != inventory.ByUnknown || !strings.Contains(got.Declared.Detail, "box") {
		t.Errorf("declared without a sandbox record: %+v", got.Declared)
	}
	inStore := map[string]sandbox{"box": {&inventory.Pod{Name: "vm"}, inventory.Declaration{By: inventory.ByPod}, sandboxRequest{}}}
	got = assembled("k8s.io", records, nil, inStore)[0]
	if got.Pod.Name != "vm" || got.Declared.By != inventory.ByPod {
		t.Errorf("a sandbox of the store was not used: %+v", got)
	}
	if !lacksSandbox([]decoded{{Container: inventory.Container{ID: "c", SandboxID: "box"}}}) || lacksSandbox([]decoded{{Container: inventory.Container{ID: "box", SandboxID: "box"}}}) {
		t.Error("lacksSandbox is wrong")
	}
}

// TestForgedSandbox has a container that was given the labels of a pause container, as ctr
// gives it those of its image.
func TestForgedSandbox(t *testing.T) {
	t.Parallel()
	record := sandboxRecord("box", "{}")
	record.Extensions = nil
	got := assembled("k8s.io", []*containersapi.Container{record}, nil, nil)[0]
	if got.Sandbox || got.Pod != nil || got.Declared.By != inventory.BySpec {
		t.Errorf("a container without CRI's record is taken for a pod's: %+v", got)
	}
}

func TestSandboxWithDamagedRecord(t *testing.T) {
	t.Parallel()
	record := sandboxRecord("box", "{}")
	record.Extensions[extensionSandbox] = stored("{")
	got := assembled("k8s.io", []*containersapi.Container{record}, nil, nil)[0]
	want := inventory.Declaration{
		By: inventory.ByPod, Host: []nsinspect.Kind{nsinspect.Net}, // Its spec lists no network.
		PortsDetail: "decode CRI metadata: unexpected end of JSON input",
	}
	if diff := cmp.Diff(want, got.Declared); diff != "" {
		t.Errorf("declared by the spec (-want +got):\n%s", diff)
	}
	record.Spec = nil
	if got := assembled("k8s.io", []*containersapi.Container{record}, nil, nil)[0]; got.Declared.By != inventory.ByUnknown {
		t.Errorf("declared by nothing: %+v", got.Declared)
	}
}

func TestAssembleWithoutPod(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		namespace, spec string
		want            inventory.Declaration
	}{
		"all its own": {
			"default", `{"linux":{"namespaces":[{"type":"network"},{"type":"pid"},{"type":"ipc"},{"type":"mount"}]}}`,
			inventory.Declaration{By: inventory.BySpec},
		},
		"what is not listed is the host's": {
			"default", `{"linux":{"namespaces":[{"type":"pid"}]}}`,
			inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net, nsinspect.IPC}},
		},
		"joined by path": {
			"default", `{"linux":{"namespaces":[{"type":"network","path":"/proc/1/ns/net"},{"type":"pid"},{"type":"ipc"}]}}`,
			inventory.Declaration{By: inventory.BySpec, Joined: map[nsinspect.Kind]string{nsinspect.Net: "/proc/1/ns/net"}},
		},
		"Docker's --network=host": {
			"moby", `{"linux":{"namespaces":[{"type":"network","path":"/var/run/docker/netns/default"},{"type":"pid"},{"type":"ipc"}]}}`,
			inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net}, PortsDetail: "Docker does not record them in containerd"},
		},
		"Docker's path elsewhere is a path": {
			"default", `{"linux":{"namespaces":[{"type":"network","path":"/var/run/docker/netns/default"},{"type":"pid"},{"type":"ipc"}]}}`,
			inventory.Declaration{By: inventory.BySpec, Joined: map[nsinspect.Kind]string{nsinspect.Net: "/var/run/docker/netns/default"}},
		},
		"CRI's labels mean nothing outside its namespace": {
			"default", `{"annotations":{"io.kubernetes.cri.sandbox-id":"box"},"linux":{"namespaces":[{"type":"network"},{"type":"pid"},{"type":"ipc"}]}}`,
			inventory.Declaration{By: inventory.BySpec},
		},
		"no Linux section": {"default", `{}`, inventory.Declaration{By: inventory.ByUnknown, Detail: "its runtime spec has no Linux section"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record := &containersapi.Container{ID: "c", Spec: stored(test.spec), Labels: map[string]string{"io.cri-containerd.kind": "container"}}
			got := assembled(test.namespace, []*containersapi.Container{record}, nil, nil)[0]
			if diff := cmp.Diff(test.want, got.Declared); diff != "" {
				t.Errorf("declared (-want +got):\n%s", diff)
			}
			if got.Pod != nil || got.Status != inventory.NoTask {
				t.Errorf("unexpected pod %+v or status %s", got.Pod, got.Status)
			}
		})
	}
}

func TestHostileRecords(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("x", 1<<20)
	record := sandboxRecord("box", "{}")
	record.Image = huge
	record.Extensions["io.cri-containerd.sandbox.metadata"] = stored(`{"Metadata":{"Config":{"metadata":{"name":"` + huge + `"},"labels":{"` + huge + `":"` + huge + `"}}}}`)
	got := assembled("k8s.io", []*containersapi.Container{record}, nil, nil)[0]
	if n := len(fmt.Sprint(got, got.Pod)); n > 10*maxText {
		t.Errorf("a container with huge texts has %d bytes", n)
	}
	record.Spec = stored(`{"annotations":{"a":"` + strings.Repeat("x", maxDocument) + `"}}`)
	record.Labels = nil
	got = assembled("default", []*containersapi.Container{record}, nil, nil)[0]
	if got.Declared.By != inventory.ByUnknown || !strings.Contains(got.Declared.Detail, "cap") {
		t.Errorf("a spec above the cap: %+v", got.Declared)
	}
	many := make(map[string]string)
	for i := range 10 * maxLabels {
		many[fmt.Sprint(i)] = "v"
	}
	if n := len(clipLabels(many)); n != maxLabels {
		t.Errorf("%d labels are kept, want %d", n, maxLabels)
	}
}

// FuzzAssemble feeds hostile documents: images and pods shape what containerd stores.
func FuzzAssemble(f *testing.F) {
	box, ctr := sandboxRecord("box", `{"network":2}`), podContainerRecord("c", "box")
	f.Add("k8s.io", "sandbox", box.Spec.GetValue(), box.Extensions[extensionSandbox].GetValue())
	f.Add("k8s.io", "container", ctr.Spec.GetValue(), ctr.Extensions[extensionCtr].GetValue())
	f.Add("moby", "", []byte(`{"linux":{"namespaces":[{"type":"network","path":"/x"}]}}`), []byte(nil))
	f.Fuzz(func(t *testing.T, namespace, kind string, spec, metadata []byte) {
		record := &containersapi.Container{
			ID: "c", Labels: map[string]string{labelKind: kind}, Spec: stored(string(spec)),
			Extensions: map[string]*anypb.Any{extensionSandbox: stored(string(metadata)), extensionCtr: stored(string(metadata))},
		}
		for _, c := range assembled(namespace, []*containersapi.Container{record}, nil, nil) {
			if c.Declared.By == "" || c.Declared.By == inventory.ByNobody {
				t.Errorf("declared by %q", c.Declared.By)
			}
			if namespace != runtimes.CRINamespace && (c.Pod != nil || c.Sandbox) {
				t.Errorf("a pod outside %s: %+v", runtimes.CRINamespace, c)
			}
		}
	})
}
