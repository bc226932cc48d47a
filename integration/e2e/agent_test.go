// SPDX-License-Identifier: Apache-2.0

//go:build integration

// Package e2e_test runs the DaemonSet in a real kind cluster, and asks the API server and
// the agents what they say.
package e2e_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
	"github.com/nsaudit/nsaudit/integration/internal/scrape"
)

// soon is long enough for a look at a container that has started, and nextScan for a full scan, on a machine that is busy
// with other things.
const (
	soon     = 45 * time.Second
	nextScan = 2 * time.Minute
)

// quietFor is how long a new deployment has to stay quiet: ten full scans, and more than the time over which an agent
// spreads its first Events.
const quietFor = 5 * time.Minute

// TestQuiet deploys what users deploy, and pods that share what they declare. Nobody is warned, neither by the agents nor
// about them.
func TestQuiet(t *testing.T) {
	c := kindtest.Open(t)
	removeNsaudit(t)
	kindtest.DeployAgent(t, kindtest.DefaultAgent)
	started := time.Now()
	ns := kindtest.Namespace(t)
	kindtest.Apply(t, ns, pod(c, "network", "hostNetwork: true", "")+pod(c, "processes", "hostPID: true\n  hostIPC: true", "")+
		portPod(c, "port", "", "{containerPort: 8080, hostPort: 9109}"))
	kindtest.Ready(t, ns)
	// They are found, and listed.
	eventually.Equal(t, soon, "series", []string{
		"network HostNetworkShared", "port HostPortBound", "processes HostIPCShared", "processes HostPIDShared",
	}, func() []string { return series(t, c.Worker(), ns) })

	t.Logf("waiting until %s after the agents' start", quietFor)
	time.Sleep(time.Until(started.Add(quietFor)))
	var from, warnings []string
	for _, event := range nsauditEvents(t) {
		line := describe(&event)
		if event.ReportingController == controller {
			from = append(from, line)
		}
		if event.Type == corev1.EventTypeWarning {
			warnings = append(warnings, line)
		}
		t.Logf("about nsaudit: %s", line)
	}
	t.Logf("%s after the agents' start: %d Events from nsaudit, %d Warnings from it or about it",
		time.Since(started).Round(time.Second), len(from), len(warnings))
	for _, line := range append(from, warnings...) {
		t.Errorf("not quiet: %s", line)
	}
	// An agent that does not work is quiet, too.
	for _, node := range c.Nodes {
		agent := agentOn(t, node).Status.ContainerStatuses[0]
		scans := scrape.Parse(t, metrics(t, node)).FullScans()
		t.Logf("%s: %d full scans, expected findings %v", node, scans, scrape.Parse(t, metrics(t, node)).Expected())
		if !agent.Ready || agent.RestartCount > 0 || scans < 8 {
			t.Errorf("%s: agent ready %t, restarted %d times, %d full scans", node, agent.Ready, agent.RestartCount, scans)
		}
	}
}

// TestAgent deploys the agent with Events for what pods declare, and looks at what it reports.
func TestAgent(t *testing.T) {
	c := kindtest.Open(t)
	removeNsaudit(t)
	kindtest.DeployAgent(t, kindtest.AllEvents)
	for _, test := range []clusterTest{
		{"the chapter's pods", testChapter},
		{"security contexts", testSecurity},
		{"a container beside Kubernetes", testBesideKubernetes},
		{"static pods", testStatic},
		{"how long an event takes", testLatency},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
	// These mostly wait: for scans, for the kubelet, for Events that come a minute after others.
	t.Run("together", func(t *testing.T) {
		for _, test := range []clusterTest{
			{"pods that share nothing", testIsolated},
			{"processes that nobody declared", testIntruder},
			{"processes in what the policy expects", testCovered},
			{"a finding that ends", testEnded},
			{"ports of the host", testHostPorts},
			{"a policy that changes", testPolicy},
			{"a pod that says that it is another", testDisguised},
			{"an API server that refuses", testRefused},
		} {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				test.run(t, c)
			})
		}
	})
	for _, test := range []clusterTest{
		{"a pod that is deleted and made again", testRecreated},
		{"the agent is killed", testAgentKilled},
		{"containerd is restarted", testContainerdRestarted},
		{"the API server is away", testAPIServerAway},
		{"the rights are used, and are enough", testRights},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
}

type clusterTest struct {
	name string
	run  func(*testing.T, kindtest.Cluster)
}

func testChapter(t *testing.T, c kindtest.Cluster) {
	ns := kindtest.Namespace(t)
	kindtest.Do(t, "apply", "-n", ns, "-k", "testdata/chapter")
	kindtest.Ready(t, ns)
	eventually.Equal(t, soon, "events", []string{
		"Normal HostIPCShared Pod/pod-with-host-pid-and-ipc spec.containers{main}",
		"Normal HostNetworkShared Pod/pod-with-host-network spec.containers{main}",
		"Normal HostPIDShared Pod/pod-with-host-pid-and-ipc spec.containers{main}",
		"Normal HostPortBound Pod/kubia-hostport spec.containers{kubia}",
	}, func() []string { return events(t, ns) })
	testChapterPort(t, c, ns)
	eventually.Equal(t, soon, "ports", []string{"kubia-hostport 9000/TCP DNAT HostPortBound pod"}, func() []string { return ports(t, c.Worker(), ns) })
	eventually.Equal(t, soon, "series", []string{
		"kubia-hostport HostPortBound",
		"pod-with-host-network HostNetworkShared",
		"pod-with-host-pid-and-ipc HostIPCShared",
		"pod-with-host-pid-and-ipc HostPIDShared",
	}, func() []string { return series(t, c.Worker(), ns) })
	shows := func(what, text string, parts ...string) {
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("kubectl %s does not show %q:\n%s", what, part, text)
			}
		}
	}
	shared := []string{"Container main shares the host's network namespace net:[", "(sleep)"}
	shows("describe", kindtest.Do(t, "describe", "pod", "-n", ns, "pod-with-host-network"), shared...)
	shows("get events", kindtest.Do(t, "get", "events", "-n", ns, "--field-selector", "reason=HostNetworkShared"), shared...)
	port := []string{"Container kubia is reachable on host port 9000/TCP -> 10.244.", ":8080 (DNAT, ", ", declared by its pod."}
	shows("describe", kindtest.Do(t, "describe", "pod", "-n", ns, "kubia-hostport"), port...)
	shows("get events", kindtest.Do(t, "get", "events", "-n", ns, "--field-selector", "reason=HostPortBound"), port...)
}

func testIsolated(t *testing.T, c kindtest.Cluster) {
	ns := kindtest.Namespace(t)
	kindtest.Apply(t, ns, pod(c, "normal", "", "")+
		pod(c, "shared-pid", "shareProcessNamespace: true", "")+
		pod(c, "user-namespace", "hostUsers: false", "")+
		pod(c, "marker", "hostIPC: true", ""))
	kindtest.Ready(t, ns)
	kindtest.Do(t, "debug", "-n", ns, "normal", "--image=alpine", "--image-pull-policy=IfNotPresent", "--target=main", "--profile=general", "--", "/bin/sleep", "9999")
	kindtest.Do(t, "wait", "-n", ns, "pod/normal", "--for=jsonpath={.status.ephemeralContainerStatuses[0].state.running}", "--timeout=50s")
	// The marker shows that the agent has looked; a full scan sees the others again.
	want := []string{"Normal HostIPCShared Pod/marker spec.containers{main}"}
	eventually.Equal(t, soon, "events", want, func() []string { return events(t, ns) })
	scanned(t, c.Worker())
	eventually.Equal(t, 0, "events after a full scan", want, func() []string { return events(t, ns) })
	eventually.Equal(t, 0, "series", []string{"marker HostIPCShared"}, func() []string { return series(t, c.Worker(), ns) })
}

func testIntruder(t *testing.T, c kindtest.Cluster) {
	ns := kindtest.Namespace(t)
	kindtest.Apply(t, ns, pod(c, "entered", "", "")+pod(c, "tool", "hostPID: true", "privileged: true"))
	kindtest.Ready(t, ns)
	// From within a privileged pod, and from the node into a pod that did nothing.
	kindtest.Do(t, "exec", "-n", ns, "tool", "--", "/bin/sh", "-c", "nsenter -t 1 -n nc -l -p 9108 >/dev/null 2>&1 &")
	moveIn(t, c, place{c.Worker(), ns, "entered"})
	eventually.Equal(t, nextScan, "events", []string{
		"Normal HostPIDShared Pod/tool spec.containers{main}",
		"Normal PrivilegedContainer Pod/tool spec.containers{main}",
		"Warning UndeclaredHostIPC Pod/entered spec.containers{main}",
		"Warning UndeclaredHostMount Pod/entered spec.containers{main}",
		"Warning UndeclaredHostNetwork Pod/entered spec.containers{main}",
		"Warning UndeclaredHostNetwork Pod/tool spec.containers{main}",
		"Warning UndeclaredHostPID Pod/entered spec.containers{main}",
		"Warning UndeclaredHostPort Pod/tool spec.containers{main}",
		"Warning UndeclaredPrivileged Pod/entered spec.containers{main}",
	}, func() []string { return events(t, ns) })
}

func testBesideKubernetes(t *testing.T, c kindtest.Cluster) {
	remove := func() {
		c.In(t, c.Worker(), "/bin/sh", "-c", "ctr task kill -s KILL e2e-beside; sleep 1; ctr container rm e2e-beside; ctr snapshot rm e2e-beside; true")
	}
	remove() // What a test that was interrupted has left.
	t.Cleanup(remove)
	c.In(t, c.Worker(), "/bin/sh", "-c", `ctr -n k8s.io images export /tmp/alpine.tar docker.io/library/alpine:latest &&
ctr images import /tmp/alpine.tar >/dev/null && ctr run -d --net-host docker.io/library/alpine:latest e2e-beside /bin/sleep 9999`)
	eventually.Equal(t, soon, "an event that names the container", []string{"Normal HostNetworkShared Node/" + c.Worker()}, func() []string {
		var lines []string
		for _, event := range eventList(t, "default") {
			if strings.Contains(event.Note, "e2e-beside") {
				lines = append(lines, event.Type+" "+event.Reason+" "+event.Regarding.Kind+"/"+event.Regarding.Name)
			}
		}
		return lines
	})
}

// testStatic looks at the control plane, which the policy expects: it is counted, and has no Events.
func testStatic(t *testing.T, c kindtest.Cluster) {
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		if got := eventsOn(t, "kube-system", name+"-"+c.ControlPlane()); len(got) > 0 {
			t.Errorf("events of %s: %q", name, got)
		}
	}
	// Of each pod the network, of kube-proxy its privileged container too, of etcd both ports that it lists and that it does not. Of
	// nsaudit its network and its port, and its posture: the user, capabilities, paths, and the host's name and cgroups.
	eventually.Equal(t, 0, "expected findings", map[string]float64{
		"nsaudit": 7, "control-plane": 4, "kube-apiserver-ports": 1, "kube-controller-manager-ports": 1, "kube-scheduler-ports": 1,
		"etcd-ports": 2, "kube-proxy": 2, "kube-proxy-ports": 1,
	}, func() map[string]float64 { return scrape.Parse(t, metrics(t, c.ControlPlane())).Expected() })
}
