// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	containersapi "github.com/containerd/containerd/api/services/containers/v1"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
)

// The CRI plugin's marks on its containers. It writes the kind label last, so on the
// containers that it makes neither an image nor a pod can set it.
const (
	labelKind         = "io.cri-containerd.kind"
	kindSandbox       = "sandbox"
	kindContainer     = "container"
	extensionSandbox  = "io.cri-containerd.sandbox.metadata"
	extensionCtr      = "io.cri-containerd.container.metadata"
	extensionCtrStore = "metadata"
	labelPodName      = "io.kubernetes.pod.name"
	labelPodNamespace = "io.kubernetes.pod.namespace"
	labelPodUID       = "io.kubernetes.pod.uid"
	labelCtrName      = "io.kubernetes.container.name"
	labelNerdctlName  = "nerdctl/name"
)

// decoded is what is in the record of a container. Of a container of a pod, the pod, the declaration and
// the security context are provisional until its sandbox is known.
type decoded struct {
	inventory.Container

	// asked is, of a pause container, what the pod asked for by way of its sandbox.
	asked sandboxRequest
}

func decodeRecord(namespace string, record *containersapi.Container) decoded {
	container := decoded{Container: inventory.Container{
		ID:               record.GetID(),
		RuntimeName:      runtimes.Containerd,
		RuntimeNamespace: namespace,
		Runtime:          clip(record.GetRuntime().GetName()),
		Image:            clip(record.GetImage()),
		Status:           inventory.NoTask,
		Security:         securityOf(record),
	}}
	spec, err := decodeSpec(record.GetSpec().GetValue())
	if err == nil && spec.Linux != nil {
		container.CgroupsPath = spec.Linux.CgroupsPath
	}
	switch {
	case madeByCRI(namespace, record, kindSandbox, extensionSandbox):
		fillSandbox(&container.Container, record, &spec, err)
		container.asked = decodeSandboxRequest(record.GetExtensions()[extensionSandbox].GetValue())
	case madeByCRI(namespace, record, kindContainer, extensionCtr):
		fillPodContainer(&container.Container, record, &spec)
		addRequest(&container.Container, record.GetExtensions()[extensionCtr].GetValue())
	case err != nil:
		container.Declared = inventory.NoDeclaration(detail(err))
	default:
		container.Name = clip(record.GetLabels()[labelNerdctlName])
		container.Declared = spec.declaration(namespace)
		declarePorts(&container.Container, namespace, record.GetLabels()[labelNerdctlPorts])
	}
	return container
}

// madeByCRI reports whether the CRI plugin made this record. A label alone is no proof: ctr
// copies those of the image to the container.
func madeByCRI(namespace string, record *containersapi.Container, kind, extension string) bool {
	return namespace == runtimes.CRINamespace && record.GetLabels()[labelKind] == kind && record.GetExtensions()[extension] != nil
}

// fillSandbox fills in a pause container. If the CRI's record can't be decoded, its own spec is
// used: it lists each namespace that is not the host's.
func fillSandbox(c *inventory.Container, record *containersapi.Container, spec *spec, specErr error) {
	c.Sandbox, c.SandboxID = true, record.GetID()
	metadata, err := decodeCRI(record.GetExtensions()[extensionSandbox].GetValue())
	switch {
	case err == nil:
		c.Pod = metadata.Metadata.Config.pod()
		c.Declared = metadata.Metadata.Config.declaration()
	case specErr == nil && spec.Linux != nil:
		c.Pod = podFromMarks(record.GetLabels(), spec.Annotations)
		c.Declared = spec.declaration(c.RuntimeNamespace)
		c.Declared.By = inventory.ByPod
		setPorts(&c.Declared, nil, err) // A spec has none.
	default:
		c.Pod = podFromMarks(record.GetLabels(), nil)
		c.Declared = inventory.NoDeclaration("its sandbox: " + detail(err))
	}
}

// fillPodContainer fills in a container of a pod.
func fillPodContainer(c *inventory.Container, record *containersapi.Container, spec *spec) {
	metadata, err := decodeCRI(record.GetExtensions()[extensionCtr].GetValue())
	if err == nil {
		c.Name = clip(metadata.Metadata.Config.Metadata.Name)
	}
	c.Name = first(c.Name, clip(spec.Annotations[annotationContainerName]), clip(record.GetLabels()[labelCtrName]))
	c.Image = first(c.Image, clip(spec.Annotations[annotationImageName]))
	c.SandboxID = first(record.GetSandbox(), metadata.Metadata.SandboxID, spec.Annotations[annotationSandboxID])
	c.Pod = podFromMarks(record.GetLabels(), spec.Annotations)
	c.Declared = inventory.NoDeclaration("it names no sandbox")
	var ports []inventory.Port
	if err == nil {
		ports, err = containerPorts(metadata.Metadata.Config.Annotations[annotationPorts])
	}
	setPorts(&c.Declared, ports, err)
}

// declarePorts takes the ports of a container without a pod. A runtime spec has no ports, so
// none are declared; Docker does not record them in containerd, so there they are unknown.
func declarePorts(c *inventory.Container, namespace, nerdctlPorts string) {
	if namespace == runtimes.DockerNamespace {
		c.Declared.PortsDetail = "Docker does not record them in containerd"
		return
	}
	ports, err := containerPorts(nerdctlPorts)
	setPorts(&c.Declared, hostPorts(ports), err)
}

// setPorts takes ports, or why not all of them are known.
func setPorts(d *inventory.Declaration, ports []inventory.Port, err error) {
	d.Ports = ports
	if err != nil {
		d.PortsDetail = detail(err)
	}
}

// podFromMarks is the pod as labels and annotations name it: for want of the CRI's record
// only, because images can carry labels of the same names.
func podFromMarks(labels, annotations map[string]string) *inventory.Pod {
	return &inventory.Pod{
		Namespace: clip(first(annotations[annotationSandboxNS], labels[labelPodNamespace])),
		Name:      clip(first(annotations[annotationSandboxName], labels[labelPodName])),
		UID:       clip(first(annotations[annotationSandboxUID], labels[labelPodUID])),
	}
}
