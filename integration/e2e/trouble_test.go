// SPDX-License-Identifier: Apache-2.0

//go:build integration

package e2e_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
)

func testRecreated(t *testing.T, c kindtest.Cluster) {
	ns := kindtest.Namespace(t)
	uids := make(map[string]bool)
	for round := 1; round <= 2; round++ {
		kindtest.Apply(t, ns, pod(c, "again", "hostNetwork: true", ""))
		kindtest.Ready(t, ns)
		eventually.Equal(t, soon, "series", []string{"again HostNetworkShared"}, func() []string { return series(t, c.Worker(), ns) })
		want := slices.Repeat([]string{"Normal HostNetworkShared Pod/again spec.containers{main}"}, round)
		eventually.Equal(t, soon, "events", want, func() []string {
			// The end of the first is reported later, if the machine is slow while this waits.
			return slices.DeleteFunc(events(t, ns), func(line string) bool { return strings.Contains(line, "Ended ") })
		})
		kindtest.Do(t, "delete", "pod", "-n", ns, "again")
		eventually.Equal(t, soon, "series of a pod that is gone", nil, func() []string { return series(t, c.Worker(), ns) })
	}
	for _, event := range eventList(t, ns) {
		uids[string(event.Regarding.UID)] = true
	}
	if len(uids) != 2 {
		t.Errorf("events of pods %v, want two", uids)
	}
}

func testAgentKilled(t *testing.T, c kindtest.Cluster) {
	ns := kindtest.Namespace(t)
	kindtest.Apply(t, ns, pod(c, "stays", "hostPID: true", ""))
	kindtest.Ready(t, ns)
	want := []string{"Normal HostPIDShared Pod/stays spec.containers{main}"}
	eventually.Equal(t, soon, "events", want, func() []string { return events(t, ns) })
	before := agentOn(t, c.Worker()).Status.ContainerStatuses[0].RestartCount
	c.In(t, c.Worker(), "pkill", "-KILL", "-x", "nsaudit")
	eventually.Equal(t, soon, "ready after a restart", true, func() bool {
		status := agentOn(t, c.Worker()).Status.ContainerStatuses[0]
		return status.RestartCount > before && status.Ready
	})
	eventually.Equal(t, soon, "series", []string{"stays HostPIDShared"}, func() []string { return series(t, c.Worker(), ns) })
	eventually.Equal(t, 0, "events after the restart", want, func() []string { return events(t, ns) })
}

func testContainerdRestarted(t *testing.T, c kindtest.Cluster) {
	ns := kindtest.Namespace(t)
	kindtest.Apply(t, ns, pod(c, "before", "hostNetwork: true", ""))
	kindtest.Ready(t, ns)
	restarts := agentOn(t, c.Worker()).Status.ContainerStatuses[0].RestartCount
	c.In(t, c.Worker(), "systemctl", "restart", "containerd")
	kindtest.Apply(t, ns, pod(c, "after", "hostNetwork: true", ""))
	eventually.Equal(t, nextScan, "events", []string{
		"Normal HostNetworkShared Pod/after spec.containers{main}",
		"Normal HostNetworkShared Pod/before spec.containers{main}",
	}, func() []string { return events(t, ns) })
	eventually.Equal(t, soon, "series", []string{"after HostNetworkShared", "before HostNetworkShared"}, func() []string { return series(t, c.Worker(), ns) })
	if now := agentOn(t, c.Worker()).Status.ContainerStatuses[0].RestartCount; now != restarts {
		t.Errorf("the agent restarted %d times", now-restarts)
	}
}

// testAPIServerAway stops the API server while a static pod starts on the worker.
func testAPIServerAway(t *testing.T, c kindtest.Cluster) {
	const manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml"
	static := pod(c, "e2e-static", "hostIPC: true", "")
	static = strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(static), "---"), "  nodeName: "+c.Worker()+"\n", "")
	t.Cleanup(func() { c.In(t, c.Worker(), "rm", "-f", "/etc/kubernetes/manifests/e2e-static.yaml") })
	c.In(t, c.ControlPlane(), "mv", manifest, "/root/kube-apiserver.yaml")
	back := false
	restore := func() {
		if !back {
			c.In(t, c.ControlPlane(), "mv", "/root/kube-apiserver.yaml", manifest)
		}
		back = true
	}
	defer restore()
	time.Sleep(10 * time.Second)
	c.In(t, c.Worker(), "/bin/sh", "-c", "cat >/etc/kubernetes/manifests/e2e-static.yaml <<'EOF'\n"+static+"\nEOF")
	time.Sleep(time.Minute)
	restore()
	eventually.Equal(t, 2*time.Minute, "the API server", "ok", func() string {
		out, _ := kindtest.Kubectl(t, "get", "--raw", "/readyz")
		return strings.TrimSpace(out)
	})
	eventually.Equal(t, 2*time.Minute, "events", []string{"Normal HostIPCShared Pod/e2e-static-" + c.Worker() + " spec.containers{main}"}, func() []string {
		return slices.DeleteFunc(events(t, "default"), func(line string) bool { return !strings.Contains(line, "e2e-static") })
	})
	eventually.Equal(t, soon, "the event in kubectl describe", true, func() bool {
		// The kubelet may not have made the mirror pod yet.
		described, _ := kindtest.Kubectl(t, "describe", "pod", "-n", "default", "e2e-static-"+c.Worker())
		return strings.Contains(described, "HostIPCShared")
	})
}

// testRights reads the API server's own log of what the agents asked for.
func testRights(t *testing.T, c kindtest.Cluster) {
	log := c.In(t, c.ControlPlane(), "cat", "/var/log/kubernetes/audit.log")
	used := make(map[string]bool)
	for line := range bytes.Lines([]byte(log)) {
		var entry struct {
			Verb        string `json:"verb"`
			User        struct{ Username string }
			ObjectRef   struct{ APIGroup, Resource, Subresource string }
			Annotations map[string]string
		}
		if err := json.Unmarshal(line, &entry); err != nil || entry.User.Username != "system:serviceaccount:nsaudit:nsaudit" {
			continue
		}
		// The status code says less: a namespace that is being deleted takes no Event of anybody.
		if entry.Annotations["authorization.k8s.io/decision"] != "allow" {
			t.Errorf("forbidden: %s", line)
		}
		ref := entry.ObjectRef
		used[strings.TrimSpace(entry.Verb+" "+ref.APIGroup+" "+ref.Resource+" "+ref.Subresource)] = true
	}
	for _, right := range []string{"create events.k8s.io events", "patch events.k8s.io events"} {
		if !used[right] {
			t.Errorf("never used: %s", right)
		}
		delete(used, right)
	}
	for other := range used {
		t.Errorf("used without being granted in deploy/: %s", other)
	}
}
