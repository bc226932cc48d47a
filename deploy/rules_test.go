// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/policy"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// pod is a pod with one container.
type pod struct {
	namespace, name, container string
	labels                     map[string]string
	// declares are the host's namespaces that the pod asks for, shares those that it has.
	declares, shares []nsinspect.Kind
	// listens are TCP ports of the host that it listens on, listed those that it declares.
	listens, listed []uint16
}

func (p pod) snapshot() snapshot.Container {
	c := snapshot.Container{
		Container: inventory.Container{
			ID: p.namespace + p.name, RuntimeNamespace: "k8s.io", SandboxID: "box-" + p.namespace + p.name, Name: p.container, Status: inventory.Running,
			Pod:      &inventory.Pod{Namespace: p.namespace, Name: p.name, UID: "uid-" + p.name, Labels: p.labels},
			Declared: inventory.Declaration{By: inventory.ByPod, Host: p.declares},
		},
		Age:       time.Hour,
		Processes: []snapshot.Process{{PID: 7, Command: p.container, Groups: []nsinspect.ThreadGroup{nstest.Sharing(p.shares...)}}},
	}
	for _, port := range p.listed {
		c.Declared.Ports = append(c.Declared.Ports, inventory.Port{Protocol: socket.TCP, HostPort: port, ContainerPort: port})
	}
	for _, port := range p.listens {
		c.Sockets = append(c.Sockets, snapshot.Socket{Socket: socket.Socket{
			Protocol: socket.TCP, Address: netip.AddrPortFrom(netip.IPv4Unspecified(), port),
		}})
	}
	return c
}

// TestDefaultPolicy judges a control plane as kubeadm makes it, and pods that only look like it.
func TestDefaultPolicy(t *testing.T) {
	t.Parallel()
	network := []nsinspect.Kind{nsinspect.Net}
	static := func(component string) map[string]string {
		return map[string]string{"component": component, "tier": "control-plane"}
	}
	proxy := map[string]string{"k8s-app": "kube-proxy", "pod-template-generation": "1"}
	pods := []pod{
		{"kube-system", "etcd-a", "etcd", static("etcd"), network, network, []uint16{2379, 2380, 2381}, []uint16{2381}},
		{"kube-system", "kube-apiserver-a", "kube-apiserver", static("kube-apiserver"), network, network, []uint16{6443}, []uint16{6443}},
		{"kube-system", "kube-controller-manager-a", "kube-controller-manager", static("kube-controller-manager"), network, network, []uint16{10257}, []uint16{10257}},
		{"kube-system", "kube-scheduler-a", "kube-scheduler", static("kube-scheduler"), network, network, []uint16{10259}, []uint16{10259}},
		{"kube-system", "kube-proxy-x", "kube-proxy", proxy, network, network, []uint16{10249, 10256, 31000}, nil},

		{"default", "kube-proxy-elsewhere", "kube-proxy", proxy, network, network, nil, nil},
		{"kube-system", "kube-proxy-unlabelled", "kube-proxy", map[string]string{"k8s-app": "other"}, network, network, nil, nil},
		{"kube-system", "other", "kube-proxy", proxy, network, network, nil, nil},
		{"kube-system", "kube-proxy-backdoor", "kube-proxy", proxy, network, network, []uint16{10249, 4444}, nil},
		{"kube-system", "kube-proxy-idle", "kube-proxy", proxy, network, network, nil, []uint16{10256}},
		{"kube-system", "kube-proxy-pid", "kube-proxy", proxy, []nsinspect.Kind{nsinspect.Net, nsinspect.PID}, []nsinspect.Kind{nsinspect.Net, nsinspect.PID}, nil, nil},
		{"kube-system", "kube-proxy-entered", "kube-proxy", proxy, network, []nsinspect.Kind{nsinspect.Net, nsinspect.PID, nsinspect.IPC}, nil, nil},
		{"kube-system", "kube-proxy-isolated", "kube-proxy", proxy, nil, network, nil, nil},
	}
	want := []string{
		"default/kube-proxy-elsewhere HostNetworkShared info",
		"kube-system/etcd-a HostNetworkShared: control-plane",
		"kube-system/etcd-a HostPortBound: etcd-ports",
		"kube-system/etcd-a HostPortUnlisted: etcd-ports",
		"kube-system/kube-apiserver-a HostNetworkShared: control-plane",
		"kube-system/kube-apiserver-a HostPortBound: kube-apiserver-ports",
		"kube-system/kube-controller-manager-a HostNetworkShared: control-plane",
		"kube-system/kube-controller-manager-a HostPortBound: kube-controller-manager-ports",
		"kube-system/kube-proxy-backdoor HostNetworkShared: kube-proxy",
		"kube-system/kube-proxy-backdoor HostPortUnlisted low",
		"kube-system/kube-proxy-backdoor HostPortUnlisted: kube-proxy-ports",
		"kube-system/kube-proxy-entered HostNetworkShared: kube-proxy",
		"kube-system/kube-proxy-entered UndeclaredHostPID critical",
		"kube-system/kube-proxy-entered UndeclaredHostIPC high",
		"kube-system/kube-proxy-idle HostNetworkShared: kube-proxy",
		"kube-system/kube-proxy-idle HostPortNotInEffect medium",
		"kube-system/kube-proxy-isolated UndeclaredHostNetwork high",
		"kube-system/kube-proxy-pid HostNetworkShared: kube-proxy",
		"kube-system/kube-proxy-pid HostPIDShared info",
		"kube-system/kube-proxy-unlabelled HostNetworkShared info",
		"kube-system/kube-proxy-x HostNetworkShared: kube-proxy",
		"kube-system/kube-proxy-x HostPortUnlisted: kube-proxy-ports",
		"kube-system/kube-scheduler-a HostNetworkShared: control-plane",
		"kube-system/kube-scheduler-a HostPortBound: kube-scheduler-ports",
		"kube-system/other HostNetworkShared info",
	}
	rules := parsePolicy(t, policyText(t))
	if diff := cmp.Diff(want, ruled(rules, pods)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if problems := rules.Lint(time.Time{}); len(problems) > 0 {
		t.Errorf("nsaudit policy check would say: %v", problems)
	}
}

// ruled returns the findings of the pods, each with the rule that expects it or with its severity.
func ruled(rules *policy.Policy, pods []pod) []string {
	snap := &snapshot.Snapshot{
		Node: "a", Time: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC), Host: nstest.Host(),
		Inventory: inventory.Inventory{Source: inventory.FromContainerd},
	}
	for _, pod := range pods {
		snap.Containers = append(snap.Containers, pod.snapshot())
	}
	var lines []string
	result := rules.Apply(audit.Judge(snap))
	for i := range result.Findings {
		finding := &result.Findings[i]
		pod := finding.Container.Pod
		line := fmt.Sprintf("%s/%s %s", pod.Namespace, pod.Name, finding.Reason())
		if finding.Expected() {
			line += ": " + finding.Ruling.Rule
		} else {
			line += " " + string(finding.Severity)
		}
		lines = append(lines, line)
	}
	return lines
}

// TestPolicyExamples takes away the marks before the examples, as people are told to, and uses them.
func TestPolicyExamples(t *testing.T) {
	t.Parallel()
	text := policyText(t)
	examples := strings.Count(text, "\n#- name: ")
	rules := parsePolicy(t, regexp.MustCompile(`(?m)^#(- |  )`).ReplaceAllString(text, "$1"))
	defaults, _ := parsePolicy(t, text).Count(time.Time{})
	if active, expired := rules.Count(time.Time{}); active != defaults+examples || expired != 0 || examples < 8 {
		t.Errorf("%d rules and %d expired, want %d and %d examples", active, expired, defaults, examples)
	}
	if problems := rules.Lint(time.Time{}); len(problems) > 0 {
		t.Errorf("nsaudit policy check would say: %v", problems)
	}
	both := []nsinspect.Kind{nsinspect.Net, nsinspect.PID}
	exporter := pod{"monitoring", "prometheus-node-exporter-x", "node-exporter", map[string]string{"app.kubernetes.io/name": "prometheus-node-exporter"}, both, both, []uint16{9100, 4444}, nil}
	want := []string{
		"monitoring/prometheus-node-exporter-x HostNetworkShared: node-exporter",
		"monitoring/prometheus-node-exporter-x HostPIDShared: node-exporter",
		"monitoring/prometheus-node-exporter-x HostPortUnlisted low",
		"monitoring/prometheus-node-exporter-x HostPortUnlisted: node-exporter-ports",
	}
	if diff := cmp.Diff(want, ruled(rules, []pod{exporter})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func policyText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(policyFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parsePolicy(t *testing.T, text string) *policy.Policy {
	t.Helper()
	rules, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}
