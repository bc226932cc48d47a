// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// node is what the findings of the tests are on, at noon.
const node = "worker-1"

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// container is one of a pod that declares to share these namespaces, and does.
func container(namespace, pod, name string, labels map[string]string, kinds ...nsinspect.Kind) snapshot.Container {
	all := map[string]string{"io.kubernetes.pod.name": pod}
	maps.Copy(all, labels)
	return snapshot.Container{
		Container: inventory.Container{
			ID: namespace + "-" + pod + "-" + name, RuntimeNamespace: "k8s.io", SandboxID: "box-" + namespace + "-" + pod,
			Name: name, Image: "registry.example/" + name + ":v1", Status: inventory.Running,
			Pod:      &inventory.Pod{Namespace: namespace, Name: pod, UID: "uid-" + pod, Labels: all},
			Declared: inventory.Declaration{By: inventory.ByPod, Host: kinds},
		},
		Age:       time.Hour,
		Processes: []snapshot.Process{{PID: 7, Command: "x", Groups: []nsinspect.ThreadGroup{nstest.Sharing(kinds...)}}},
	}
}

// kubeProxy listens on ports that its pod does not list.
func kubeProxy(ports ...uint16) snapshot.Container {
	c := container("kube-system", "kube-proxy-x7", "kube-proxy", map[string]string{"k8s-app": "kube-proxy"}, nsinspect.Net)
	return listening(c, socket.TCP, ports...)
}

// listening adds sockets of a protocol, on all addresses.
func listening(c snapshot.Container, protocol socket.Protocol, ports ...uint16) snapshot.Container {
	for _, port := range ports {
		c.Sockets = append(c.Sockets, snapshot.Socket{Socket: socket.Socket{
			Protocol: protocol, Address: netip.AddrPortFrom(netip.IPv6Unspecified(), port), DualStack: true,
		}})
	}
	return c
}

// undeclared takes from a container what it has declared.
func undeclared(c snapshot.Container) snapshot.Container {
	c.Declared.Host = nil
	return c
}

// outside takes a container out of its pod.
func outside(c snapshot.Container) snapshot.Container {
	c.Pod, c.SandboxID, c.RuntimeNamespace, c.Declared.By = nil, "", "default", inventory.BySpec
	return c
}

// judged judges containers on the node.
func judged(containers ...snapshot.Container) *audit.Result {
	return audit.Judge(&snapshot.Snapshot{
		Node: node, Time: noon(), Host: nstest.Host(), Containers: containers,
		Inventory: inventory.Inventory{Source: inventory.FromContainerd},
	})
}

// parse reads rules, indented as in a list.
func parse(t testing.TB, rules string) *Policy {
	t.Helper()
	p, err := Parse([]byte(document(rules)))
	if err != nil {
		t.Fatalf("%v in\n%s", err, rules)
	}
	return p
}

func document(rules string) string {
	return "apiVersion: nsaudit.io/v1alpha1\nkind: Policy\nrules:\n" + rules
}

// lines words findings with their rulings.
func lines(result *audit.Result) []string {
	var all []string
	for i := range result.Findings {
		f := &result.Findings[i]
		where := "-"
		if f.Container.Pod != nil {
			where = f.Container.Pod.Namespace + "/" + f.Container.Pod.Name
		}
		line := fmt.Sprintf("%s %s %s", where, containerName(f.Container), f.Reason())
		if e, ok := f.Evidence.(*audit.HostPortEvidence); ok {
			var ports []string
			for k := range e.Ports {
				ports = append(ports, rangeOf(&e.Ports[k]).String())
			}
			line += " " + strings.Join(ports, ",")
			if e.MorePorts > 0 {
				line += fmt.Sprintf(" +%d", e.MorePorts)
			}
		}
		all = append(all, line+ruling(f))
	}
	return all
}

func ruling(f *audit.Finding) string {
	switch {
	case f.Ruling == nil:
		return ""
	case f.Expected():
		return " expected by " + f.Ruling.Rule
	}
	return fmt.Sprintf(" %s by %s", f.Severity, f.Ruling.Rule)
}
