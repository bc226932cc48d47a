// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"testing"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// PodSpec is what a pod asks for, in the words of a manifest.
type PodSpec struct {
	Namespace   string // default unless set
	Name        string
	UID         string // random unless set
	Labels      map[string]string
	Annotations map[string]string

	HostNetwork           bool
	HostPID               bool
	HostIPC               bool
	ShareProcessNamespace bool
	UserNamespace         bool // hostUsers: false
	// FirstID is the first of the 65,536 ids of the host that the user namespace has. If it is 0, no other pod has
	// the same.
	FirstID uint32

	Security *corev1.PodSecurityContext

	Containers []ContainerSpec // none is allowed: then there is only the sandbox
}

// ContainerSpec is one container of a pod.
type ContainerSpec struct {
	Name        string
	Image       string   // alpine unless set
	Command     []string // the image's unless set
	Ports       []Port
	Security    *corev1.SecurityContext
	Mounts      []*runtime.Mount  // beyond the kubelet's
	Labels      map[string]string // beyond the kubelet's
	Annotations map[string]string // beyond the kubelet's

	// Target names the container whose PID namespace this one joins, as the ephemeral
	// container of `kubectl debug --target` does.
	Target string
}

// Port is a port of a container, spelled as in a manifest, which is also how the kubelet writes it into
// the container's annotations.
type Port struct {
	Name          string `json:"name,omitempty"`
	HostPort      int32  `json:"hostPort,omitempty"`
	ContainerPort int32  `json:"containerPort"`
	Protocol      string `json:"protocol,omitempty"` // TCP unless set
	HostIP        string `json:"hostIP,omitempty"`
}

// Pod is a running pod.
type Pod struct {
	Spec       PodSpec // with its defaults filled in
	Sandbox    Container
	Containers []Container

	config *runtime.PodSandboxConfig
}

// Container returns the container of that name.
func (p *Pod) Container(t testing.TB, name string) Container {
	t.Helper()
	for _, container := range p.Containers {
		if container.Name == name {
			return container
		}
	}
	t.Fatalf("pod %s has no container %q", p.Spec.Name, name)
	return Container{}
}

// RunPod runs a pod through CRI as the kubelet does, with the kubelet's labels, annotations and cgroup.
func (c *Containerd) RunPod(t testing.TB, spec PodSpec) *Pod {
	t.Helper()
	if spec.Namespace == "" {
		spec.Namespace = "default"
	}
	if spec.UID == "" {
		spec.UID = uuid.NewString()
	}
	if spec.UserNamespace && spec.FirstID == 0 {
		spec.FirstID = c.ranges.Add(1) * idRange
	}
	ctx, cancel := within(t, CRINamespace)
	defer cancel()
	pod := &Pod{Spec: spec, config: c.sandboxConfig(spec)}
	response, err := c.Runtime().RunPodSandbox(ctx, &runtime.RunPodSandboxRequest{Config: pod.config})
	if err != nil {
		t.Fatalf("run the sandbox of pod %s: %v", spec.Name, err)
	}
	pod.Sandbox = c.running(t, CRINamespace, response.GetPodSandboxId())
	for _, container := range spec.Containers {
		c.AddContainer(t, pod, container)
	}
	return pod
}

// AddContainer starts one more container in a running pod, as `kubectl debug` has it done.
func (c *Containerd) AddContainer(t testing.TB, pod *Pod, spec ContainerSpec) Container {
	t.Helper()
	ctx, cancel := within(t, CRINamespace)
	defer cancel()
	targetID := ""
	if spec.Target != "" {
		targetID = pod.Container(t, spec.Target).ID
	}
	created, err := c.Runtime().CreateContainer(ctx, &runtime.CreateContainerRequest{
		PodSandboxId:  pod.Sandbox.ID,
		SandboxConfig: pod.config,
		Config:        c.containerConfig(ctx, t, pod.Spec, spec, targetID),
	})
	if err != nil {
		t.Fatalf("create container %s of pod %s: %v", spec.Name, pod.Spec.Name, err)
	}
	id := created.GetContainerId()
	if _, err := c.Runtime().StartContainer(ctx, &runtime.StartContainerRequest{ContainerId: id}); err != nil {
		t.Fatalf("start container %s of pod %s: %v", spec.Name, pod.Spec.Name, err)
	}
	container := c.running(t, CRINamespace, id)
	container.Name = spec.Name
	pod.Containers = append(pod.Containers, container)
	return container
}
