// SPDX-License-Identifier: Apache-2.0

//go:build integration

package e2e_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
	"github.com/nsaudit/nsaudit/integration/internal/scrape"
)

// pod returns the manifest of a pod on the worker that sleeps. Spec and context are
// further fields, as YAML of one line, of the pod and of its container's securityContext.
func pod(c kindtest.Cluster, name, spec, context string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  nodeName: %s
  terminationGracePeriodSeconds: 0
  %s
  containers:
  - name: main
    image: alpine
    imagePullPolicy: IfNotPresent
    command: ["/bin/sleep", "9999999"]
    securityContext: {%s}
---
`, name, c.Worker(), spec, context)
}

// events returns nsaudit's Events of a namespace, each as its type, its reason and what it
// regards.
func events(t *testing.T, namespace string) []string {
	t.Helper()
	return eventsOn(t, namespace, "")
}

// eventsOn returns those that regard a pod; all of the namespace if it is empty.
func eventsOn(t *testing.T, namespace, pod string) []string {
	t.Helper()
	var lines []string
	for _, event := range eventList(t, namespace) {
		if pod != "" && event.Regarding.Name != pod {
			continue
		}
		regarding := event.Regarding
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s/%s %s", event.Type, event.Reason, regarding.Kind, regarding.Name, regarding.FieldPath)))
	}
	slices.Sort(lines)
	return lines
}

func eventList(t *testing.T, namespace string) []eventsv1.Event {
	t.Helper()
	var list eventsv1.EventList
	decode(t, kindtest.Do(t, "get", "events.v1.events.k8s.io", "-n", namespace, "-o", "json"), &list)
	return slices.DeleteFunc(list.Items, func(event eventsv1.Event) bool { return event.ReportingController != controller })
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
}

// agentOn returns the agent's pod on a node.
func agentOn(t *testing.T, node string) corev1.Pod {
	t.Helper()
	var list corev1.PodList
	decode(t, kindtest.Do(t, "get", "pods", "-n", "nsaudit", "--field-selector", "spec.nodeName="+node+",status.phase=Running", "-o", "json"), &list)
	if len(list.Items) != 1 {
		t.Fatalf("%d agents on %s", len(list.Items), node)
	}
	return list.Items[0]
}

// metrics returns what the agent on a node shows to Prometheus.
func metrics(t *testing.T, node string) string {
	t.Helper()
	return kindtest.Do(t, "get", "--raw", "/api/v1/namespaces/nsaudit/pods/"+agentOn(t, node).Name+":9547/proxy/metrics")
}

// series returns the findings that the agent on a node has series of, each as its pod and
// its reason, of one Kubernetes namespace.
func series(t *testing.T, node, namespace string) []string {
	t.Helper()
	var found []string
	for _, f := range scrape.Parse(t, metrics(t, node)).Findings() {
		if f.Namespace == namespace {
			found = append(found, f.Pod+" "+f.Reason)
		}
	}
	slices.Sort(found)
	return found
}

// scanned waits until the agent on a node has ended another full scan.
func scanned(t *testing.T, node string) {
	t.Helper()
	scans := func() uint64 { return scrape.Parse(t, metrics(t, node)).FullScans() }
	before := scans()
	eventually.Equal(t, nextScan, "another full scan", true, func() bool { return scans() > before })
}
