//go:build integration

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/scrape"
)

// cluster is the kind cluster: its nodes are containers of an engine.
type cluster struct {
	Engine string   `json:"engine"`
	Nodes  []string `json:"nodes"`
}

// theCluster reads what integration/cmd/kind says of the cluster, beside its kubeconfig.
func theCluster(t *testing.T) cluster {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(os.Getenv(kubeconfigEnv)), "cluster.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c cluster
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c cluster) controlPlane() string { return c.Nodes[0] }
func (c cluster) worker() string       { return c.Nodes[1] }

// in runs a program on a node.
func (c cluster) in(t *testing.T, node string, command ...string) string {
	t.Helper()
	return c.engine(t, append([]string{"exec", node}, command...)...)
}

// engine runs a command of the engine, which has to succeed.
func (c cluster) engine(t *testing.T, args ...string) string {
	t.Helper()
	out, code := c.try(t, args...)
	if code != 0 {
		t.Fatalf("%s %s: exit code %d\n%s", c.Engine, strings.Join(args, " "), code, out)
	}
	return out
}

// try runs a command of the engine, and returns what it printed and its exit code.
func (c cluster) try(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	// Not the test's context: that one has ended when the cleanup runs.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	text, err := exec.CommandContext(ctx, c.Engine, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("%s %s: %v\n%s", c.Engine, strings.Join(args, " "), err, text)
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	return string(text), code
}

// do runs kubectl, which must have nothing to complain about.
func do(t *testing.T, args ...string) string {
	t.Helper()
	out, complaints := kubectl(t, args...)
	if complaints != "" && !strings.HasPrefix(complaints, "Warning:") {
		t.Fatalf("kubectl %s: %s", strings.Join(args, " "), complaints)
	}
	return out
}

// namespace makes a Kubernetes namespace for one test.
func namespace(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("e2e-%x", time.Now().UnixMilli())
	do(t, "create", "namespace", name)
	t.Cleanup(func() { do(t, "delete", "namespace", name, "--wait=false") })
	return name
}

// apply gives objects to the API server.
func apply(t *testing.T, namespace, objects string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, []byte(objects), 0o600); err != nil {
		t.Fatal(err)
	}
	do(t, "apply", "-n", namespace, "-f", file)
}

// ready waits until the pods of a namespace run.
func ready(t *testing.T, namespace string) {
	t.Helper()
	var complaints string
	for deadline := time.Now().Add(podStart); time.Now().Before(deadline); {
		_, complaints = kubectl(t, "wait", "-n", namespace, "pod", "--all", "--for=condition=Ready", "--timeout=30s")
		if complaints == "" {
			return
		}
	}
	t.Fatalf("the pods of %s after %s: %s\n%s", namespace, podStart, complaints, do(t, "get", "pods", "-n", namespace, "-o", "wide"))
}

// pod returns the manifest of a pod on the worker that sleeps. Spec and context are
// further fields, as YAML of one line, of the pod and of its container's securityContext.
func pod(c cluster, name, spec, context string) string {
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
`, name, c.worker(), spec, context)
}

// events returns nsaudit's Events of a namespace, each as its type, its reason and what it
// regards.
func events(t *testing.T, namespace string) []string {
	t.Helper()
	var lines []string
	for _, event := range eventList(t, namespace) {
		regarding := event.Regarding
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s/%s %s", event.Type, event.Reason, regarding.Kind, regarding.Name, regarding.FieldPath)))
	}
	slices.Sort(lines)
	return lines
}

func eventList(t *testing.T, namespace string) []eventsv1.Event {
	t.Helper()
	var list eventsv1.EventList
	decode(t, do(t, "get", "events.v1.events.k8s.io", "-n", namespace, "-o", "json"), &list)
	return slices.DeleteFunc(list.Items, func(event eventsv1.Event) bool { return event.ReportingController != "nsaudit.io/agent" })
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
	decode(t, do(t, "get", "pods", "-n", "nsaudit", "--field-selector", "spec.nodeName="+node+",status.phase=Running", "-o", "json"), &list)
	if len(list.Items) != 1 {
		t.Fatalf("%d agents on %s", len(list.Items), node)
	}
	return list.Items[0]
}

// metrics returns what the agent on a node shows to Prometheus.
func metrics(t *testing.T, node string) string {
	t.Helper()
	return do(t, "get", "--raw", "/api/v1/namespaces/nsaudit/pods/"+agentOn(t, node).Name+":9547/proxy/metrics")
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
