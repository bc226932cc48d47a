// SPDX-License-Identifier: Apache-2.0

// Package kindtest gives tests the kind cluster that make cluster has brought up.
package kindtest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kubeconfigEnv names the cluster's kubeconfig. The file that integration/cmd/kind describes the cluster in is beside it.
const kubeconfigEnv = "NSAUDIT_KUBECONFIG"

// callTimeout is for one command of the engine, and for one kubectl.
const callTimeout = time.Minute

// Cluster is the kind cluster: its nodes are containers of an engine.
type Cluster struct {
	Engine string   `json:"engine"`
	Nodes  []string `json:"nodes"`
}

// Open returns the cluster.
func Open(t testing.TB) Cluster {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(Kubeconfig(t)), "cluster.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c Cluster
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// Kubeconfig returns the path of the cluster's kubeconfig.
func Kubeconfig(t testing.TB) string {
	t.Helper()
	path := os.Getenv(kubeconfigEnv)
	if path == "" {
		t.Fatalf("%s has to name a cluster's kubeconfig", kubeconfigEnv)
	}
	return path
}

// ControlPlane is the name of the control plane's node and of its container.
func (c Cluster) ControlPlane() string { return c.Nodes[0] }

// Worker is the name of the worker's node and of its container.
func (c Cluster) Worker() string { return c.Nodes[1] }

// In runs a program on a node, which has to succeed, and returns what it printed.
func (c Cluster) In(t testing.TB, node string, command ...string) string {
	t.Helper()
	return c.Run(t, append([]string{"exec", node}, command...)...)
}

// Run runs a command of the engine, which has to succeed, and returns what it printed.
func (c Cluster) Run(t testing.TB, args ...string) string {
	t.Helper()
	out, code := c.Try(t, args...)
	if code != 0 {
		t.Fatalf("%s %s: exit code %d\n%s", c.Engine, strings.Join(args, " "), code, out)
	}
	return out
}

// Try runs a command of the engine, and returns what it printed and its exit code.
func (c Cluster) Try(t testing.TB, args ...string) (out string, code int) {
	t.Helper()
	ctx, cancel := callContext(t)
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

// callContext is not the test's: that one has ended when the cleanup runs.
func callContext(t testing.TB) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(context.WithoutCancel(t.Context()), callTimeout)
}
