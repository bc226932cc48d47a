// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"maps"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// sandbox is what a pod's containers take from its sandbox.
type sandbox struct {
	pod      *inventory.Pod
	declared inventory.Declaration
	asked    sandboxRequest
}

// assemble joins the decoded records, the tasks and the stored sandboxes of one containerd
// namespace into containers.
func assemble(records []decoded, tasks map[string]task, stored map[string]sandbox) []inventory.Container {
	sandboxes := make(map[string]sandbox, len(stored))
	maps.Copy(sandboxes, stored)
	result := make([]inventory.Container, len(records))
	for i := range records {
		result[i] = records[i].Container
		container := &result[i]
		if container.Sandbox {
			sandboxes[container.ID] = sandbox{container.Pod, container.Declared, records[i].asked}
		}
		if state, ok := tasks[container.ID]; ok {
			container.Status, container.PID = state.status, state.pid
		}
	}
	for i := range result {
		if container := &result[i]; container.SandboxID != "" && !container.Sandbox {
			joinSandbox(container, sandboxes)
		}
	}
	return result
}

// joinSandbox takes the pod, the declaration and a part of the security context from the container's sandbox. A
// container's own spec never lists "host": it joins each namespace of its sandbox by path.
func joinSandbox(c *inventory.Container, sandboxes map[string]sandbox) {
	box, ok := sandboxes[c.SandboxID]
	if !ok {
		c.Declared = inventory.NoDeclaration("containerd has no record of its sandbox " + c.SandboxID)
		c.Security = withoutRequest(c.Security, c.Declared.Detail)
		return
	}
	own := c.Declared
	c.Pod, c.Declared = box.pod, box.declared
	c.Declared.Ports = hostPorts(own.Ports)
	if box.declared.Asks(nsinspect.Net) {
		c.Declared.Ports = hostNetworkPorts(own.Ports)
	}
	c.Declared.PortsDetail = own.PortsDetail
	c.Security = withSandbox(c.Security, &box.asked)
}
