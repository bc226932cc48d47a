// SPDX-License-Identifier: Apache-2.0

//go:build integration

package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
)

// testSecurity starts the pods for what the chapter goes on to: the agent's scan says of each as who it runs, and with what.
func testSecurity(t *testing.T, c kindtest.Cluster) {
	ns := kindtest.Namespace(t)
	kindtest.Do(t, "apply", "-n", ns, "-k", "testdata/security")
	kindtest.Ready(t, ns)
	kindtest.Apply(t, ns, refusedPod) // It is looked at last: it is never ready.
	scan := scanOf(t, c, ns)
	if diff := contexts(scan); !slices.Equal(diff, []string{
		"adds-sys-time/main 0:0 level privileged",
		"adds-sys-time/not-root 405:0 level privileged",
		"drops-chown/main 0:0 level baseline",
		"groups-of-a-volume/first 1111:0 level baseline",
		"groups-of-a-volume/second 2222:0 level baseline",
		"privileged/main 0:0 level privileged all capabilities",
		"read-only-root/main 0:0 level baseline read-only root",
		"runs-as-non-root/main 999:0 level restricted no new privileges seccomp",
		"runs-as-user-405/main 405:0 level baseline",
	}) {
		t.Errorf("security contexts:\n%s", strings.Join(diff, "\n"))
	}
	if got := reasons(scan.Findings); !slices.Equal(got, []string{
		"adds-sys-time/not-root CapabilitiesNotInEffect low",
		"privileged/main PrivilegedContainer info",
		"privileged/main SeccompNotInEffect low",
	}) {
		t.Errorf("findings:\n%s", strings.Join(got, "\n"))
	}
	wantPosture(t, scan)
	eventually.Equal(t, soon, "events", []string{
		"Normal CapabilitiesNotInEffect Pod/adds-sys-time spec.containers{not-root}",
		"Normal PrivilegedContainer Pod/privileged spec.containers{main}",
		"Normal SeccompNotInEffect Pod/privileged spec.containers{main}",
	}, func() []string { return events(t, ns) })
	testExec(t, c, ns)
	testRefusedPod(t, c, ns)
}

// refusedPod may not run as root, and its image has no other user.
const refusedPod = `
apiVersion: v1
kind: Pod
metadata: {name: refused}
spec:
  securityContext: {runAsNonRoot: true}
  containers:
  - {name: main, image: alpine, imagePullPolicy: IfNotPresent, command: [/bin/sleep, "9999999"]}
`

// testRefusedPod has a pod that the kubelet does not let run: nothing of it runs but its pause container, and there is nothing to
// find.
func testRefusedPod(t *testing.T, c kindtest.Cluster, ns string) {
	t.Helper()
	eventually.Equal(t, soon, "what the kubelet says of a pod that it refuses", "CreateContainerConfigError", func() string {
		return kindtest.Do(t, "get", "pod", "-n", ns, "refused", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
	})
	scan := scanOf(t, c, ns)
	for i := range scan.Containers {
		if container := &scan.Containers[i]; container.Pod.Name == "refused" && !container.Sandbox {
			t.Errorf("a container of the pod that was refused: %+v", container)
		}
	}
	for _, line := range append(reasons(scan.Findings), reasons(scan.Posture)...) {
		// With cgroup v1, containerd gives no container a cgroup namespace, the pause container neither.
		if strings.HasPrefix(line, "refused/") && !strings.Contains(line, "HostCgroupShared") {
			t.Errorf("%s, of a pod that was refused", line)
		}
	}
	if got := eventsOn(t, ns, "refused"); len(got) > 0 {
		t.Errorf("events on a pod that was refused: %q", got)
	}
}

// wantPosture checks some of the posture: that of a pod without any setting, and that a restricted
// pod has none.
func wantPosture(t *testing.T, scan *v1alpha1.Scan) {
	t.Helper()
	posture := reasons(scan.Posture)
	for _, want := range []string{
		"drops-chown/main RunsAsRoot info",
		"drops-chown/main PrivilegeEscalationAllowed info",
		"drops-chown/main SeccompUnconfined info",
		"adds-sys-time/main CapabilitiesAdded info",
	} {
		if !slices.Contains(posture, want) {
			t.Errorf("no %s in the posture:\n%s", want, strings.Join(posture, "\n"))
		}
	}
	for _, line := range posture {
		// With cgroup v1, containerd gives no container a cgroup namespace.
		allowed := strings.Contains(line, "ImplicitGroups") || strings.Contains(line, "HostCgroupShared")
		if strings.HasPrefix(line, "runs-as-non-root/") && !allowed {
			t.Errorf("%s, of a restricted pod", line)
		}
	}
}

// testExec starts a process as a kubelet does, with what the container has, and one as only who has the runtime can: as root.
func testExec(t *testing.T, c kindtest.Cluster, ns string) {
	t.Helper()
	kindtest.Do(t, "exec", "-n", ns, "runs-as-user-405", "--", "/bin/sh", "-c", "sleep 9999 >/dev/null 2>&1 &")
	if got := reasons(scanOf(t, c, ns).Findings); slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, "runs-as-user-405/") }) {
		t.Errorf("after kubectl exec:\n%s", strings.Join(got, "\n"))
	}
	to := place{c.Worker(), ns, "runs-as-user-405"}
	c.In(t, c.Worker(), "ctr", "-n", "k8s.io", "tasks", "exec", "--detach", "--exec-id", "root", "--user", "0", to.id(t), "/bin/sleep", "9999")
	eventually.Equal(t, nextScan, "events after an exec as root", []string{"Warning UndeclaredRootUser Pod/runs-as-user-405 spec.containers{main}"},
		func() []string { return eventsOn(t, ns, "runs-as-user-405") })
}

// scanOf has the agent's own image scan the worker for a namespace's pods.
func scanOf(t *testing.T, c kindtest.Cluster, ns string) *v1alpha1.Scan {
	t.Helper()
	agent := agentOn(t, c.Worker()).Name
	scan := new(v1alpha1.Scan)
	// It also says on stderr that the node is a virtual one.
	out, _ := kindtest.Kubectl(t, "exec", "-n", "nsaudit", agent, "--", "/nsaudit", "scan", "--procfs", "/host/proc", "-n", ns, "-o", "json")
	decode(t, out, scan)
	return scan
}

// contexts returns a line for each container, without pause containers.
func contexts(scan *v1alpha1.Scan) []string {
	var lines []string
	for i := range scan.Containers {
		container := &scan.Containers[i]
		if security := container.Security; security != nil && !container.Sandbox {
			lines = append(lines, container.Pod.Name+"/"+container.Name+" "+contextText(security))
		}
	}
	slices.Sort(lines)
	return lines
}

func contextText(security *v1alpha1.Security) string {
	text := strings.Join(security.Users, ",") + " level " + security.Level
	for _, part := range []struct {
		word string
		is   *bool
	}{
		{"all capabilities", &security.AllCapabilities},
		{"no new privileges", security.NoNewPrivileges},
		{"seccomp", security.Seccomp},
		{"read-only root", security.ReadOnlyRoot},
	} {
		if part.is != nil && *part.is {
			text += " " + part.word
		}
	}
	return text
}

// reasons returns a line for each finding.
func reasons(findings []v1alpha1.Finding) []string {
	var lines []string
	for i := range findings {
		finding := &findings[i]
		lines = append(lines, fmt.Sprintf("%s/%s %s %s", finding.Pod.Name, finding.Container.Name, finding.Reason, finding.Severity))
	}
	slices.Sort(lines)
	return lines
}
