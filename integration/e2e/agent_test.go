// SPDX-License-Identifier: Apache-2.0

//go:build integration

// Package e2e_test runs the DaemonSet in a real kind cluster, and asks the API server and
// the agents what they say.
package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
)

// soon is long enough for a look at a container that has started, and nextScan for a full scan, on a machine that is busy
// with other things.
const (
	soon     = 45 * time.Second
	nextScan = 2 * time.Minute
)

// TestAgent deploys the agent, of the image that is loaded into the nodes, and looks at
// what it reports.
func TestAgent(t *testing.T) {
	c := kindtest.Open(t)
	// The chapter's pods of the demo have the host port that these tests want.
	kindtest.Do(t, "delete", "namespace", "nsaudit-demo", "--ignore-not-found", "--timeout=50s")
	kindtest.DeployAgent(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, kindtest.Cluster)
	}{
		{"the chapter's pods", testChapter},
		{"pods that share nothing", testIsolated},
		{"processes that nobody declared", testIntruder},
		{"a container beside Kubernetes", testBesideKubernetes},
		{"static pods", testStatic},
		{"ports of the host", testHostPorts},
		{"how long an event takes", testLatency},
		{"a pod that says that it is another", testDisguised},
		{"an API server that refuses", testRefused},
		{"a pod that is deleted and made again", testRecreated},
		{"the agent is killed", testAgentKilled},
		{"containerd is restarted", testContainerdRestarted},
		{"the API server is away", testAPIServerAway},
		{"the rights are used, and are enough", testRights},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
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
	kindtest.Do(t, "exec", "-n", ns, "tool", "--", "/bin/sh", "-c", "nsenter -t 1 -n sleep 9999 >/dev/null 2>&1 &")
	moveIn(t, c, ns, "entered")
	eventually.Equal(t, nextScan, "events", []string{
		"Normal HostPIDShared Pod/tool spec.containers{main}",
		"Warning UndeclaredHostIPC Pod/entered spec.containers{main}",
		"Warning UndeclaredHostNetwork Pod/entered spec.containers{main}",
		"Warning UndeclaredHostNetwork Pod/tool spec.containers{main}",
		"Warning UndeclaredHostPID Pod/entered spec.containers{main}",
	}, func() []string { return events(t, ns) })
}

// moveIn makes a process of the node one of the pod's, by its cgroup. Its namespaces stay
// the node's.
func moveIn(t *testing.T, c kindtest.Cluster, ns, pod string) {
	t.Helper()
	id := kindtest.Do(t, "get", "pod", "-n", ns, pod, "-o", "jsonpath={.status.containerStatuses[0].containerID}")
	id = strings.TrimPrefix(id, "containerd://")
	c.In(t, c.Worker(), "/bin/sh", "-c", `
pid=$(ctr -n k8s.io tasks ls | awk -v id="`+id+`" '$1 == id { print $2 }')
sleep 9999 </dev/null >/dev/null 2>&1 &
child=$!
grep -l "^$pid$" $(find /sys/fs/cgroup -name cgroup.procs -path "*`+id+`*") | while read -r file; do echo $child >"$file"; done`)
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

func testStatic(t *testing.T, c kindtest.Cluster) {
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		described := kindtest.Do(t, "describe", "pod", "-n", "kube-system", name+"-"+c.ControlPlane())
		if !strings.Contains(described, "HostNetworkShared") {
			t.Errorf("kubectl describe pod %s shows no event:\n%s", name, described)
		}
	}
}
