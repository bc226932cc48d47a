// SPDX-License-Identifier: Apache-2.0

package kindtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kubectlEnv names a kubectl of the cluster's version.
const kubectlEnv = "NSAUDIT_KUBECTL"

// PodStart is long enough for the kubelet to start a pod, on a machine that is busy with other things.
const PodStart = 2 * time.Minute

// Kubectl returns what kubectl printed on its standard output and on its standard error, which the caller has to judge.
func Kubectl(t testing.TB, args ...string) (out, complaints string) {
	t.Helper()
	command := os.Getenv(kubectlEnv)
	if command == "" {
		t.Fatalf("%s has to name a kubectl", kubectlEnv)
	}
	ctx, cancel := callContext(t)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, append([]string{"--kubeconfig", Kubeconfig(t)}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
	}
	return stdout.String(), stderr.String()
}

// retries is how often kubectl is run again, retryPause apart, where that changes nothing in the cluster.
const (
	retries    = 3
	retryPause = 2 * time.Second
)

// Do runs kubectl, which must have nothing to complain about. What only reads is tried again: a test asks for the same
// many times, and an API server on a busy machine may let one of the questions time out.
func Do(t testing.TB, args ...string) string {
	t.Helper()
	for try := 0; ; try++ {
		out, complaints := Kubectl(t, args...)
		switch {
		case complaints == "", strings.HasPrefix(complaints, "Warning:"):
			return out
		case args[0] != "get" || try == retries:
			t.Fatalf("kubectl %s: %s", strings.Join(args, " "), complaints)
		}
		t.Logf("kubectl %s, try %d: %s", strings.Join(args, " "), try+1, complaints)
		time.Sleep(retryPause)
	}
}

// Namespace makes a Kubernetes namespace for one test. Pods are refused there until the controller manager has made its
// service account, which takes long on a busy machine, or right after the API server was away.
func Namespace(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("e2e-%x", time.Now().UnixNano())
	Do(t, "create", "namespace", name)
	t.Cleanup(func() { Do(t, "delete", "namespace", name, "--wait=false") })
	Do(t, "wait", "-n", name, "--for=create", "serviceaccount/default", "--timeout=50s")
	return name
}

// Apply gives objects to the API server.
func Apply(t testing.TB, namespace, objects string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, []byte(objects), 0o600); err != nil {
		t.Fatal(err)
	}
	Do(t, "apply", "-n", namespace, "-f", file)
}

// Ready waits until the pods of a namespace are ready.
func Ready(t testing.TB, namespace string) {
	t.Helper()
	var complaints string
	for deadline := time.Now().Add(PodStart); time.Now().Before(deadline); {
		_, complaints = Kubectl(t, "wait", "-n", namespace, "pod", "--all", "--for=condition=Ready", "--timeout=30s")
		if complaints == "" {
			return
		}
	}
	t.Fatalf("the pods of %s after %s: %s\n%s", namespace, PodStart, complaints, Do(t, "get", "pods", "-n", namespace, "-o", "wide"))
}

// The kustomizations of the agent, seen from a package right below integration. Both take the image that is loaded into the
// nodes. DefaultAgent is what users deploy, and AllEvents has Events also for what pods declare.
const (
	DefaultAgent = "../../deploy/kustomize/overlays/kind"
	AllEvents    = "../demo"
)

// DeployAgent deploys the agent anew, also if only its image has changed.
func DeployAgent(t testing.TB, kustomization string) {
	t.Helper()
	// In the foreground: as long as an old agent has the port of its node, a new one can't be scheduled there.
	Do(t, "delete", "daemonset", "-n", "nsaudit", "nsaudit", "--ignore-not-found", "--cascade=foreground", "--timeout=50s")
	Do(t, "apply", "-k", kustomization)
	Do(t, "rollout", "status", "-n", "nsaudit", "daemonset/nsaudit", "--timeout=50s")
}
