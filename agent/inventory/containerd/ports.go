// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// maxPorts caps the ports that one container declares; the API server lets a pod have as
// many as fit into it.
const maxPorts = 1024

// errManyPorts reports that a container declares more ports than are kept.
var errManyPorts = fmt.Errorf("it declares more than %d ports", maxPorts)

// annotationPorts is where the kubelet keeps the ports of a container, of init containers
// and sidecars too, which it leaves out of the sandbox's port mappings
// (k8s.io/kubernetes/pkg/kubelet/kuberuntime/labels.go).
const annotationPorts = "io.kubernetes.container.ports"

// labelNerdctlPorts is where nerdctl keeps what -p asked for.
const labelNerdctlPorts = "nerdctl/ports"

// portMapping is PortMapping of the CRI. What is 0, such as TCP, is left out.
type portMapping struct {
	Protocol      int    `json:"protocol"`
	ContainerPort int32  `json:"container_port"`
	HostPort      int32  `json:"host_port"`
	HostIP        string `json:"host_ip"`
}

// containerPort is ContainerPort of the core API, and with other letters in upper case what
// nerdctl writes: decoding JSON makes no difference between them.
type containerPort struct {
	Protocol      string `json:"protocol"`
	ContainerPort int32  `json:"containerPort"`
	HostPort      int32  `json:"hostPort"`
	HostIP        string `json:"hostIP"`
}

// ports returns the ports that a sandbox asks for. With errManyPorts they are the first ones.
func (c *criConfig) ports() ([]inventory.Port, error) {
	var ports []inventory.Port
	for _, mapping := range c.PortMappings {
		protocol, ok := criProtocol(mapping.Protocol)
		if !ok {
			continue
		}
		if len(ports) == maxPorts {
			return hostPorts(ports), errManyPorts
		}
		ports = append(ports, newPort(protocol, mapping.HostIP, mapping.HostPort, mapping.ContainerPort))
	}
	return hostPorts(ports), nil
}

// criProtocol decodes Protocol of the CRI.
func criProtocol(number int) (socket.Protocol, bool) {
	switch number {
	case 0:
		return socket.TCP, true
	case 1:
		return socket.UDP, true
	case 2:
		return socket.SCTP, true
	}
	return "", false
}

// containerPorts returns the ports in a document of the kubelet's or nerdctl's, with and
// without a port of the host. With errManyPorts they are the first ones.
func containerPorts(document string) ([]inventory.Port, error) {
	if document == "" {
		return nil, nil
	}
	list, err := decodeJSON[[]containerPort]("ports", []byte(document))
	if err != nil {
		return nil, err
	}
	var ports []inventory.Port
	for _, port := range list {
		protocol, ok := protocolNamed(port.Protocol)
		if !ok {
			return nil, fmt.Errorf("decode ports: no protocol %q", clip(port.Protocol))
		}
		if len(ports) == maxPorts {
			return ports, errManyPorts
		}
		ports = append(ports, newPort(protocol, port.HostIP, port.HostPort, port.ContainerPort))
	}
	return ports, nil
}

// hostPorts returns those of a container's ports that are the host's.
func hostPorts(ports []inventory.Port) []inventory.Port {
	var kept []inventory.Port
	for _, port := range ports {
		if port.HostPort != 0 {
			kept = append(kept, port)
		}
	}
	return kept
}

// hostNetworkPorts returns the ports of a container in the host's network, where each is one
// of the host.
func hostNetworkPorts(ports []inventory.Port) []inventory.Port {
	ports = slices.Clone(ports)
	for i := range ports {
		if ports[i].HostPort == 0 {
			ports[i].HostPort = ports[i].ContainerPort
		}
	}
	return hostPorts(ports)
}

func protocolNamed(name string) (socket.Protocol, bool) {
	switch strings.ToUpper(name) {
	case "TCP", "": // The API's default.
		return socket.TCP, true
	case "UDP":
		return socket.UDP, true
	case "SCTP":
		return socket.SCTP, true
	}
	return "", false
}

// newPort makes a port. A number out of range is none.
func newPort(protocol socket.Protocol, hostIP string, hostPort, containerPort int32) inventory.Port {
	address, err := netip.ParseAddr(hostIP)
	if err != nil || address.IsUnspecified() {
		address = netip.Addr{}
	}
	return inventory.Port{
		Protocol:      protocol,
		HostAddress:   address.Unmap(),
		HostPort:      portNumber(hostPort),
		ContainerPort: portNumber(containerPort),
	}
}

func portNumber(n int32) uint16 {
	if n < 0 || n > 65535 {
		return 0
	}
	return uint16(n)
}
