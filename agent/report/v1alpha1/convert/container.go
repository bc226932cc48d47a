// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"net/netip"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// Subject returns what names a container, its texts made fit to be shown by clean.
func Subject(container *snapshot.Container, clean func(string) string) report.Subject {
	return report.Subject{Pod: pod(container.Pod, clean), Container: containerRef(container, clean)}
}

func container(container *snapshot.Container, clean cleaner) v1alpha1.Container {
	return v1alpha1.Container{
		ContainerRef: containerRef(container, clean),
		Pod:          pod(container.Pod, clean),
		Status:       string(container.Status),
		PID:          container.PID,
		Declared:     Declaration(&container.Declared, clean),
		Processes:    len(container.Processes),
	}
}

func containerRef(container *snapshot.Container, clean cleaner) v1alpha1.ContainerRef {
	return v1alpha1.ContainerRef{
		ID:               clean(container.ID),
		Name:             clean(container.Name),
		Image:            clean(container.Image),
		RuntimeNamespace: clean(container.RuntimeNamespace),
		Runtime:          clean(container.Runtime),
		Sandbox:          container.Sandbox,
	}
}

func pod(pod *inventory.Pod, clean cleaner) *v1alpha1.Pod {
	if pod == nil {
		return nil
	}
	return &v1alpha1.Pod{Namespace: clean(pod.Namespace), Name: clean(pod.Name), UID: clean(pod.UID)}
}

// Declaration returns what was declared, its texts made fit to be shown by clean.
func Declaration(declared *inventory.Declaration, clean func(string) string) v1alpha1.Declaration {
	joined := make(map[v1alpha1.Kind]string, len(declared.Joined))
	for kind, path := range declared.Joined {
		joined[v1alpha1.Kind(kind.String())] = clean(path)
	}
	return v1alpha1.Declaration{
		By:          v1alpha1.Declarer(declared.By),
		Host:        each(declared.Host, func(kind nsinspect.Kind) v1alpha1.Kind { return v1alpha1.Kind(kind.String()) }),
		Joined:      joined,
		Ports:       each(declared.Ports, declaredPort),
		PortsReason: clean(declared.PortsDetail),
		Reason:      clean(declared.Detail),
	}
}

func declaredPort(port inventory.Port) v1alpha1.DeclaredPort {
	return v1alpha1.DeclaredPort{
		Protocol:      v1alpha1.Protocol(port.Protocol),
		HostAddress:   address(port.HostAddress),
		HostPort:      port.HostPort,
		ContainerPort: port.ContainerPort,
	}
}

// address returns an address as text; empty for all.
func address(address netip.Addr) string {
	if !address.IsValid() {
		return ""
	}
	return address.String()
}

func endpoint(endpoint netip.AddrPort) string {
	if !endpoint.IsValid() {
		return ""
	}
	return endpoint.String()
}
