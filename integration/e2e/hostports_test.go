// SPDX-License-Identifier: Apache-2.0

//go:build integration

package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
	"github.com/nsaudit/nsaudit/integration/internal/scrape"
)

// testHostPorts has pods of which each has its own way to a port of the host, or none.
func testHostPorts(t *testing.T, c kindtest.Cluster) {
	ns := kindtest.Namespace(t)
	kindtest.Apply(t, ns, portPod(c, "udp", "", "{containerPort: 8080, hostPort: 9101, protocol: UDP}")+
		portPod(c, "sctp", "", "{containerPort: 8080, hostPort: 9102, protocol: SCTP}")+
		portPod(c, "loopback", "", "{containerPort: 8080, hostPort: 9103, hostIP: 127.0.0.1}")+
		portPod(c, "ipv6", "", "{containerPort: 8080, hostPort: 9104, hostIP: '::1'}")+
		portPod(c, "silent", "hostNetwork: true", "{containerPort: 9105}")+
		strings.ReplaceAll(portPod(c, "listener", "hostNetwork: true", ""), "image: alpine", "image: luksa/kubia")+
		portPod(c, "sidecar", `initContainers:
  - name: sidecar
    image: alpine
    imagePullPolicy: IfNotPresent
    restartPolicy: Always
    command: ["/bin/sleep", "9999999"]
    ports: [{containerPort: 8080, hostPort: 9106}]`, "")+
		portPod(c, "thief", "", "{containerPort: 8080, hostPort: 10248}")+
		portPod(c, "behind-a-service", "", "{containerPort: 8080}")+nodePort)
	kindtest.Ready(t, ns)
	want := []string{
		"listener 8080/TCP socket HostPortUnlisted pod",
		"loopback 127.0.0.1:9103/TCP DNAT HostPortBound pod",
		"sctp 9102/SCTP DNAT HostPortBound pod",
		"sidecar 9106/TCP none HostPortNotInEffect pod",
		"thief 10248/TCP DNAT HostPortBound pod",
		"thief 10248/TCP DNAT HostPortShadowsListener pod",
		"udp 9101/UDP DNAT HostPortBound pod",
	}
	// The plugin passes over an address of the family that the pod does not have.
	want = append(want, "ipv6 [::1]:9104/TCP none HostPortNotInEffect pod")
	slices.Sort(want)
	// Of the pod that does not listen, it depends on the time whether this is known yet.
	eventually.Equal(t, nextScan, "ports", want, func() []string { return without(ports(t, c.Worker(), ns), "silent ") })
	eventually.Equal(t, soon, "events", []string{
		"Normal HostNetworkShared Pod/listener spec.containers{main}",
		"Normal HostNetworkShared Pod/silent spec.containers{main}",
		"Normal HostPortBound Pod/loopback spec.containers{main}",
		"Normal HostPortBound Pod/sctp spec.containers{main}",
		"Normal HostPortBound Pod/thief spec.containers{main}",
		"Normal HostPortBound Pod/udp spec.containers{main}",
		"Normal HostPortUnlisted Pod/listener spec.containers{main}",
		"Warning HostPortNotInEffect Pod/ipv6 spec.containers{main}",
		"Warning HostPortNotInEffect Pod/sidecar spec.containers{sidecar}",
		"Warning HostPortShadowsListener Pod/thief spec.containers{main}",
	}, func() []string { return without(events(t, ns), "HostPortNotInEffect Pod/silent ") })
	for _, note := range []string{"(kubelet) also listens there and receives none.", "8080/TCP of pid "} {
		if !slices.ContainsFunc(notes(t, ns), func(text string) bool { return strings.Contains(text, note) }) {
			t.Errorf("no event says %q: %q", note, notes(t, ns))
		}
	}
	kindtest.Do(t, "delete", "pod", "-n", ns, "thief") // The kubelet has its port again.
	testRuleDeleted(t, c, ns)
	// By now the pod that does not listen had its time to do so.
	eventually.Equal(t, nextScan, "the port that nobody listens on", []string{"silent 9105/TCP none HostPortNotInEffect pod"}, func() []string {
		return slices.DeleteFunc(ports(t, c.Worker(), ns), func(line string) bool { return !strings.HasPrefix(line, "silent ") })
	})
}

// nodePort is a service of which the packet filter has rules that look like a host port's.
const nodePort = `
apiVersion: v1
kind: Service
metadata: {name: behind}
spec:
  type: NodePort
  selector: {app: behind-a-service}
  ports: [{port: 80, targetPort: 8080, nodePort: 30080}]
`

// testRuleDeleted takes a pod's rules away by hand.
func testRuleDeleted(t *testing.T, c kindtest.Cluster, ns string) {
	t.Helper()
	c.In(t, c.Worker(), "/bin/sh", "-c", `chain=$(iptables -t nat -S | awk '$1 == "-A" && $2 ~ /^CNI-DN-/ && / --dport 9101 / { print $2; exit }') &&
test -n "$chain" && iptables -t nat -F "$chain"`)
	eventually.Equal(t, nextScan, "the port whose rule was deleted", []string{"udp 9101/UDP none HostPortNotInEffect pod"}, func() []string {
		return slices.DeleteFunc(ports(t, c.Worker(), ns), func(line string) bool { return !strings.HasPrefix(line, "udp ") })
	})
}

// portPod returns the manifest of a pod on the worker that sleeps and declares a port.
func portPod(c kindtest.Cluster, name, spec, port string) string {
	manifest := pod(c, name, spec, "")
	manifest = strings.ReplaceAll(manifest, "metadata: {name: "+name+"}", "metadata: {name: "+name+", labels: {app: "+name+"}}")
	manifest = strings.ReplaceAll(manifest, "  - name: main\n", "  - name: main\n    ports: ["+port+"]\n")
	if strings.Contains(spec, "hostNetwork") && port == "" {
		manifest = strings.ReplaceAll(manifest, "    command: [\"/bin/sleep\", \"9999999\"]\n", "")
	}
	return manifest
}

// ports returns the ports that the agent on a node has series of, of one Kubernetes
// namespace: the pod, the port, the way, the reason, and who declared it.
func ports(t *testing.T, node, namespace string) []string {
	t.Helper()
	var lines []string
	for _, p := range scrape.Parse(t, metrics(t, node)).Ports() {
		if p.Namespace != namespace {
			continue
		}
		port := p.Port + "/" + p.Protocol
		switch {
		case strings.Contains(p.Address, ":"):
			port = "[" + p.Address + "]:" + port
		case p.Address != "":
			port = p.Address + ":" + port
		}
		lines = append(lines, strings.Join([]string{p.Pod, port, p.Way, p.Reason, p.DeclaredBy}, " "))
	}
	slices.Sort(lines)
	return lines
}

// without leaves out the lines that contain a text.
func without(lines []string, text string) []string {
	return slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, text) })
}

func notes(t *testing.T, namespace string) []string {
	t.Helper()
	var texts []string
	for _, event := range eventList(t, namespace) {
		texts = append(texts, event.Note)
	}
	return texts
}

// testChapterPort asks the chapter's pod at the node's port, and starts a second copy of it,
// for which there is no room on the node.
func testChapterPort(t *testing.T, c kindtest.Cluster, ns string) {
	t.Helper()
	address := kindtest.Do(t, "get", "node", c.Worker(), "-o", `jsonpath={.status.addresses[?(@.type=="InternalIP")].address}`)
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get("http://" + address + ":9000/")
	if err != nil {
		t.Fatalf("the pod does not answer at the node's port: %v", err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(body), "You've hit kubia-hostport") {
		t.Errorf("body %q, error %v", body, err)
	}
	kindtest.Apply(t, ns, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: second-copy}
spec:
  terminationGracePeriodSeconds: 0
  nodeSelector: {kubernetes.io/hostname: %s}
  containers:
  - name: kubia
    image: luksa/kubia
    imagePullPolicy: IfNotPresent
    ports: [{containerPort: 8080, hostPort: 9000, protocol: TCP}]
`, c.Worker()))
	kindtest.Do(t, "wait", "-n", ns, "pod/second-copy", "--for=condition=PodScheduled=false", "--timeout=30s")
}
