package containerd

import (
	"maps"
	"slices"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/typeurl/v2"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect"
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

// task is the state of a container's task.
type task struct {
	status inventory.Status
	pid    int
}

// sandbox is what a pod's containers take from its sandbox.
type sandbox struct {
	pod      *inventory.Pod
	declared inventory.Declaration
}

// assemble joins the records, the tasks and the stored sandboxes of one containerd
// namespace into containers.
func assemble(namespace string, records []containers.Container, tasks map[string]task, stored map[string]sandbox) []inventory.Container {
	sandboxes := make(map[string]sandbox, len(stored))
	maps.Copy(sandboxes, stored)
	result := make([]inventory.Container, 0, len(records))
	for i := range records {
		container := decodeRecord(namespace, &records[i])
		if container.Sandbox {
			sandboxes[container.ID] = sandbox{container.Pod, container.Declared}
		}
		if state, ok := tasks[container.ID]; ok {
			container.Status, container.PID = state.status, state.pid
		}
		result = append(result, container)
	}
	for i := range result {
		if container := &result[i]; container.SandboxID != "" && !container.Sandbox {
			joinSandbox(container, sandboxes)
		}
	}
	return result
}

// decodeRecord decodes what the record itself says. The pod and the declaration of a pod's
// container are provisional until its sandbox is known.
func decodeRecord(namespace string, record *containers.Container) inventory.Container {
	container := inventory.Container{
		ID:               record.ID,
		RuntimeName:      inventory.Containerd,
		RuntimeNamespace: namespace,
		Runtime:          clip(record.Runtime.Name),
		Image:            clip(record.Image),
		Status:           inventory.NoTask,
	}
	spec, err := decodeSpec(value(record.Spec))
	if err == nil && spec.Linux != nil {
		container.CgroupsPath = spec.Linux.CgroupsPath
	}
	switch {
	case madeByCRI(namespace, record, kindSandbox, extensionSandbox):
		fillSandbox(&container, record, &spec, err)
	case madeByCRI(namespace, record, kindContainer, extensionCtr):
		fillPodContainer(&container, record, &spec)
	case err != nil:
		container.Declared = inventory.NoDeclaration(err.Error())
	default:
		container.Name = clip(record.Labels[labelNerdctlName])
		container.Declared = spec.declaration(namespace)
		declarePorts(&container, namespace, record.Labels[labelNerdctlPorts])
	}
	return container
}

// madeByCRI says whether the CRI plugin made this record. A label alone does not tell:
// ctr copies those of the image to the container.
func madeByCRI(namespace string, record *containers.Container, kind, extension string) bool {
	return namespace == runtimes.CRINamespace && record.Labels[labelKind] == kind && record.Extensions[extension] != nil
}

// fillSandbox fills in a pause container. If the CRI's record can't be decoded its own spec
// tells: it lists each namespace that is not the host's.
func fillSandbox(c *inventory.Container, record *containers.Container, spec *spec, specErr error) {
	c.Sandbox, c.SandboxID = true, record.ID
	metadata, err := decodeCRI(value(record.Extensions[extensionSandbox]))
	switch {
	case err == nil:
		c.Pod = metadata.Metadata.Config.pod()
		c.Declared = metadata.Metadata.Config.declaration()
	case specErr == nil && spec.Linux != nil:
		c.Pod = podFromMarks(record.Labels, spec.Annotations)
		c.Declared = spec.declaration(c.RuntimeNamespace)
		c.Declared.By = inventory.ByPod
	default:
		c.Pod = podFromMarks(record.Labels, nil)
		c.Declared = inventory.NoDeclaration("its sandbox: " + err.Error())
	}
}

// fillPodContainer fills in a container of a pod.
func fillPodContainer(c *inventory.Container, record *containers.Container, spec *spec) {
	metadata, err := decodeCRI(value(record.Extensions[extensionCtr]))
	if err == nil {
		c.Name = clip(metadata.Metadata.Config.Metadata.Name)
	}
	c.Name = first(c.Name, clip(spec.Annotations[annotationContainerName]), clip(record.Labels[labelCtrName]))
	c.Image = first(c.Image, clip(spec.Annotations[annotationImageName]))
	c.SandboxID = first(record.SandboxID, metadata.Metadata.SandboxID, spec.Annotations[annotationSandboxID])
	c.Pod = podFromMarks(record.Labels, spec.Annotations)
	c.Declared = inventory.NoDeclaration("it names no sandbox")
	ports, err := containerPorts(metadata.Metadata.Config.Annotations[annotationPorts])
	setPorts(&c.Declared, ports, err)
}

// declarePorts takes the ports of a container without a pod. A runtime spec has none, so
// nobody asked for any, save where the runtime above containerd keeps them to itself.
func declarePorts(c *inventory.Container, namespace, nerdctlPorts string) {
	if namespace == runtimes.DockerNamespace {
		c.Declared.PortsDetail = "Docker does not tell containerd"
		return
	}
	ports, err := containerPorts(nerdctlPorts)
	setPorts(&c.Declared, hostPorts(ports), err)
}

// setPorts takes ports, or why they are not known.
func setPorts(d *inventory.Declaration, ports []inventory.Port, err error) {
	d.Ports = ports
	if err != nil {
		d.PortsDetail = err.Error()
	}
}

// joinSandbox takes the pod and the declaration from the container's sandbox. A
// container's own spec never says "host": it joins each namespace of its sandbox by path.
func joinSandbox(c *inventory.Container, sandboxes map[string]sandbox) {
	box, ok := sandboxes[c.SandboxID]
	if !ok {
		c.Declared = inventory.NoDeclaration("containerd has no record of its sandbox " + c.SandboxID)
		return
	}
	own := c.Declared
	c.Pod, c.Declared = box.pod, box.declared
	c.Declared.Ports = hostPorts(own.Ports)
	if slices.Contains(box.declared.Host, nsinspect.Net) {
		c.Declared.Ports = hostNetworkPorts(own.Ports)
	}
	c.Declared.PortsDetail = own.PortsDetail
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

// value returns the document of a stored field, which may be missing.
func value(field typeurl.Any) []byte {
	if field == nil {
		return nil
	}
	return field.GetValue()
}
