// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// withPorts is a pod's container with what the kubelet keeps of its ports.
func withPorts(id, document string) *containersapi.Container {
	record := podContainerRecord(id, "box")
	record.Extensions[extensionCtr] = stored(fmt.Sprintf(
		`{"Metadata":{"ID":%q,"SandboxID":"box","Config":{"metadata":{"name":"main"},"annotations":{%q:%q}}}}`, id, annotationPorts, document))
	return record
}

func TestPortsOfPods(t *testing.T) {
	t.Parallel()
	const (
		chapter = `[{"hostPort":9000,"containerPort":8080,"protocol":"TCP"}]`
		several = `[{"containerPort":80},{"name":"dns","hostPort":53,"containerPort":5353,"protocol":"UDP","hostIP":"127.0.0.1"},` +
			`{"hostPort":5000,"containerPort":5000,"protocol":"SCTP","hostIP":"0.0.0.0"}]`
	)
	tests := map[string]struct {
		options, document string
		want              []inventory.Port
		detail            string
	}{
		"none":        {"{}", "", nil, ""},
		"the chapter": {"{}", chapter, []inventory.Port{{Protocol: socket.TCP, HostPort: 9000, ContainerPort: 8080}}, ""},
		"several": {"{}", several, []inventory.Port{
			{Protocol: socket.UDP, HostAddress: netip.MustParseAddr("127.0.0.1"), HostPort: 53, ContainerPort: 5353},
			{Protocol: socket.SCTP, HostPort: 5000, ContainerPort: 5000},
		}, ""},
		"in the host's network": {`{"network":2}`, `[{"containerPort":80}]`, []inventory.Port{{Protocol: socket.TCP, HostPort: 80, ContainerPort: 80}}, ""},
		"damaged":               {"{}", `[{"hostPort":`, nil, "decode ports: unexpected end of JSON input"},
		"another protocol":      {"{}", `[{"hostPort":1,"protocol":"ICMP"}]`, nil, `decode ports: no protocol "ICMP"`},
		"out of range":          {"{}", `[{"hostPort":65536},{"hostPort":-1}]`, nil, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			records := []*containersapi.Container{withPorts("c", test.document), sandboxRecord("box", test.options)}
			got := assembled("k8s.io", records, nil, nil)[0].Declared
			if diff := cmp.Diff(test.want, got.Ports, cmpopts.EquateComparable(netip.Addr{})); diff != "" || got.PortsDetail != test.detail {
				t.Errorf("detail %q, ports (-want +got):\n%s", got.PortsDetail, diff)
			}
		})
	}
}

// TestPortsOfDamagedRecords has a container whose record of the CRI can't be decoded: that no
// ports are known does not mean that it declares none.
func TestPortsOfDamagedRecords(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ document, want string }{
		"damaged":   {"{", "decode CRI metadata: unexpected end of JSON input"},
		"too large": {strings.Repeat(" ", maxDocument+1), "decode CRI metadata: 4194305 bytes: larger than its cap"},
	} {
		record := podContainerRecord("c", "box")
		record.Extensions[extensionCtr] = stored(test.document)
		got := assembled("k8s.io", []*containersapi.Container{record, sandboxRecord("box", "{}")}, nil, nil)[0].Declared
		if got.By != inventory.ByPod || got.PortsDetail != test.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestPortMappings has what the network plugin was given. What is 0 is not in it.
func TestPortMappings(t *testing.T) {
	t.Parallel()
	record := sandboxRecord("box", "{}")
	record.Extensions[extensionSandbox] = stored(`{"Metadata":{"Config":{"metadata":{"name":"p"},"port_mappings":[` +
		`{"container_port":80},{"container_port":8080,"host_port":31080},{"protocol":1,"container_port":53,"host_port":31053,"host_ip":"127.0.0.1"},` +
		`{"protocol":9,"host_port":1}]}}}`)
	got := assembled("k8s.io", []*containersapi.Container{record}, nil, nil)[0].Declared.Ports
	want := []inventory.Port{
		{Protocol: socket.TCP, HostPort: 31080, ContainerPort: 8080},
		{Protocol: socket.UDP, HostAddress: netip.MustParseAddr("127.0.0.1"), HostPort: 31053, ContainerPort: 53},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
}

// TestPortsWithoutPod has nerdctl's container, Docker's, and one of neither, whose label means
// nothing where it can't be from nerdctl.
func TestPortsWithoutPod(t *testing.T) {
	t.Parallel()
	record := &containersapi.Container{
		ID:     "c",
		Labels: map[string]string{labelNerdctlPorts: `[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":"0.0.0.0"}]`},
		Spec:   stored(`{"linux":{"namespaces":[{"type":"network"},{"type":"pid"},{"type":"ipc"}]}}`),
	}
	got := assembled("default", []*containersapi.Container{record}, nil, nil)[0].Declared
	if diff := cmp.Diff([]inventory.Port{{Protocol: socket.TCP, HostPort: 8080, ContainerPort: 80}}, got.Ports, cmpopts.EquateComparable(netip.Addr{})); diff != "" || got.PortsDetail != "" {
		t.Errorf("nerdctl: detail %q, ports (-want +got):\n%s", got.PortsDetail, diff)
	}
	got = assembled("moby", []*containersapi.Container{record}, nil, nil)[0].Declared
	if got.Ports != nil || got.PortsDetail == "" {
		t.Errorf("Docker: %+v", got)
	}
}

func TestPortsAreCapped(t *testing.T) {
	t.Parallel()
	document := func(format string, count int) string {
		return fmt.Sprintf(format, strings.TrimSuffix(strings.Repeat(`{"hostPort":1,"host_port":1},`, count), ","))
	}
	const list, sandbox = "[%s]", `{"Metadata":{"Config":{"port_mappings":[%s]}}}`
	for name, test := range map[string]struct {
		count int
		want  string
	}{
		"as many as are kept": {maxPorts, ""},
		"one more":            {maxPorts + 1, "it declares more than 1024 ports"},
	} {
		box := sandboxRecord("box", "{}")
		box.Extensions[extensionSandbox] = stored(document(sandbox, test.count))
		records := []*containersapi.Container{withPorts("c", document(list, test.count)), box}
		for _, container := range assembled("k8s.io", records, nil, nil) {
			if declared := container.Declared; len(declared.Ports) != maxPorts || declared.PortsDetail != test.want {
				t.Errorf("%s, %s: %d ports, detail %q", name, container.ID, len(declared.Ports), declared.PortsDetail)
			}
		}
	}
}

// FuzzPorts checks that no document of ports gives a number that is none.
func FuzzPorts(f *testing.F) {
	f.Add(`[{"hostPort":9000,"containerPort":8080,"protocol":"TCP","hostIP":"::1"}]`)
	f.Add(`[{"HostPort":-1}]`)
	f.Fuzz(func(t *testing.T, document string) {
		record := withPorts("c", document)
		for _, port := range assembled("k8s.io", []*containersapi.Container{record, sandboxRecord("box", `{"network":2}`)}, nil, nil)[0].Declared.Ports {
			if port.HostPort == 0 || port.Protocol == "" || port.HostAddress.IsUnspecified() {
				t.Errorf("%q gives %+v", document, port)
			}
		}
	})
}
