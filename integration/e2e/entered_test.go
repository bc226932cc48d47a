// SPDX-License-Identifier: Apache-2.0

//go:build integration

package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
)

// place is the first container of a pod, on a node.
type place struct{ node, namespace, pod string }

// pid returns the first process of the container, as the node numbers it.
func (p place) pid(t *testing.T, c kindtest.Cluster) string {
	t.Helper()
	pid := c.In(t, p.node, "/bin/sh", "-c", `ctr -n k8s.io tasks ls 2>/dev/null | awk -v id="`+p.id(t)+`" '$1 == id { print $2 }'`)
	return strings.TrimSpace(pid)
}

func (p place) id(t *testing.T) string {
	t.Helper()
	id := kindtest.Do(t, "get", "pod", "-n", p.namespace, p.pod, "-o", "jsonpath={.status.containerStatuses[0].containerID}")
	return strings.TrimPrefix(id, "containerd://")
}

// moveIn starts a process on the node, makes it one of the pod's by its cgroup, and returns what ends it. Its namespaces
// are the node's but for those that the options of nsenter say.
func moveIn(t *testing.T, c kindtest.Cluster, to place, nsenter ...string) (end func()) {
	t.Helper()
	// The time tells the process from all others: nsenter is the parent of what it starts in another PID namespace.
	program := fmt.Sprintf("sleep %d", time.Now().UnixNano())
	const script = `
pid=$1 id=$2 program=$3
shift 3
if [ $# -gt 0 ]; then set -- nsenter "$@"; fi
"$@" $program </dev/null >/dev/null 2>&1 &
until child=$(pgrep -fx "$program"); do sleep 0.1; done
grep -l "^$pid$" $(find /sys/fs/cgroup -name cgroup.procs -path "*$id*") | while read -r file; do echo $child >"$file"; done
`
	c.In(t, to.node, append([]string{"/bin/sh", "-c", script, "sh", to.pid(t, c), to.id(t), program}, nsenter...)...)
	ended := false
	end = func() {
		if !ended {
			c.Try(t, "exec", to.node, "pkill", "-KILL", "-fx", program)
		}
		ended = true
	}
	t.Cleanup(end)
	return end
}

// testCovered moves a process into a pod whose network the policy expects, and an ordinary pod's process into that network.
func testCovered(t *testing.T, c kindtest.Cluster) {
	name := kindtest.Do(t, "get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-proxy", "--field-selector", "spec.nodeName="+c.Worker(), "-o", "jsonpath={.items[0].metadata.name}")
	proxy := place{c.Worker(), "kube-system", name}
	ns := kindtest.Namespace(t)
	kindtest.Apply(t, ns, pod(c, "plain", "", ""))
	kindtest.Ready(t, ns)
	plain := place{c.Worker(), ns, "plain"}
	eventually.Equal(t, 0, "events of kube-proxy before", nil, func() []string { return eventsOn(t, proxy.namespace, proxy.pod) })

	// It has kube-proxy's network, which is expected, and the PID and IPC namespaces of the host.
	endProxys := moveIn(t, c, proxy, "--net=/proc/"+proxy.pid(t, c)+"/ns/net")
	// It has the pod's own PID and IPC namespaces, and kube-proxy's network.
	endPlains := moveIn(t, c, plain, "--target="+plain.pid(t, c), "--pid", "--ipc", "--net=/proc/"+proxy.pid(t, c)+"/ns/net")
	proxys := []string{
		"Warning UndeclaredHostIPC Pod/" + name + " spec.containers{kube-proxy}",
		"Warning UndeclaredHostMount Pod/" + name + " spec.containers{kube-proxy}",
		"Warning UndeclaredHostPID Pod/" + name + " spec.containers{kube-proxy}",
	}
	plains := []string{
		"Warning UndeclaredHostMount Pod/plain spec.containers{main}",
		"Warning UndeclaredHostNetwork Pod/plain spec.containers{main}",
		"Warning UndeclaredPrivileged Pod/plain spec.containers{main}",
	}
	eventually.Equal(t, nextScan, "events of kube-proxy", proxys, func() []string { return eventsOn(t, proxy.namespace, proxy.pod) })
	eventually.Equal(t, nextScan, "events of an ordinary pod", plains, func() []string { return eventsOn(t, ns, "plain") })

	endProxys()
	endPlains()
	eventually.Equal(t, endsWithin, "events of kube-proxy afterwards", withEnds(proxys), func() []string { return eventsOn(t, proxy.namespace, proxy.pod) })
	eventually.Equal(t, endsWithin, "events of an ordinary pod afterwards", withEnds(plains), func() []string { return eventsOn(t, ns, "plain") })
}

// endsWithin is long enough for the Event of an end: it comes a minute after the Event of the begin at the earliest.
const endsWithin = nextScan + time.Minute

// withEnds adds to Events those that say that their findings have ended.
func withEnds(begins []string) []string {
	all := slices.Clone(begins)
	for _, line := range begins {
		_, rest, _ := strings.Cut(line, " ")
		reason, where, _ := strings.Cut(rest, " ")
		all = append(all, "Normal "+reason+"Ended "+where)
	}
	slices.Sort(all)
	return all
}

// testEnded replaces the agent between the begin of a finding and its end. It has the agent of the control plane for itself.
func testEnded(t *testing.T, c kindtest.Cluster) {
	ns := kindtest.Namespace(t)
	kindtest.Apply(t, ns, strings.ReplaceAll(pod(c, "ends", "", ""), c.Worker(), c.ControlPlane()))
	kindtest.Ready(t, ns)
	target := place{c.ControlPlane(), ns, "ends"}
	end := moveIn(t, c, target, "--target="+target.pid(t, c), "--pid", "--ipc")
	begun := []string{
		"Warning UndeclaredHostMount Pod/ends spec.containers{main}",
		"Warning UndeclaredHostNetwork Pod/ends spec.containers{main}",
		"Warning UndeclaredPrivileged Pod/ends spec.containers{main}",
	}
	eventually.Equal(t, nextScan, "events", begun, func() []string { return events(t, ns) })
	replaceAgent(t, c.ControlPlane())
	scanned(t, c.ControlPlane())
	eventually.Equal(t, 0, "events after a restart", begun, func() []string { return events(t, ns) })

	end()
	eventually.Equal(t, endsWithin, "events after the end", withEnds(begun), func() []string { return events(t, ns) })
	replaceAgent(t, c.ControlPlane())
	scanned(t, c.ControlPlane())
	eventually.Equal(t, 0, "events after another restart", withEnds(begun), func() []string { return events(t, ns) })
	for _, event := range eventList(t, ns) {
		t.Logf("%s", describe(&event))
		if event.Type == "Normal" && event.Series != nil {
			t.Errorf("the end is reported %d times: %s", event.Series.Count, describe(&event))
		}
	}
}

// replaceAgent deletes the agent's pod on a node, and waits for another to be ready.
func replaceAgent(t *testing.T, node string) {
	t.Helper()
	old := agentOn(t, node)
	kindtest.Do(t, "delete", "pod", "-n", "nsaudit", old.Name, "--timeout=50s")
	kindtest.Do(t, "rollout", "status", "-n", "nsaudit", "daemonset/nsaudit", "--timeout=50s")
	if now := agentOn(t, node); now.UID == old.UID {
		t.Fatalf("the agent is still %s", now.Name)
	}
}
