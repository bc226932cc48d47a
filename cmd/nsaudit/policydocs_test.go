// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/policy"
	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// nodeA is the node of docs/policy.md: an exporter, and beside it a process that was moved into
// the host's network.
func nodeA() *snapshot.Snapshot {
	at := func(pod, name, app string, pid int, command string, declared []nsinspect.Kind, shared ...nsinspect.Kind) snapshot.Container {
		return snapshot.Container{
			Container: inventory.Container{
				ID: pod + "-" + name, RuntimeNamespace: "k8s.io", SandboxID: "box-" + pod, Name: name, Status: inventory.Running,
				Pod:      &inventory.Pod{Namespace: "monitoring", Name: pod, UID: "uid-" + pod, Labels: map[string]string{"app.kubernetes.io/name": app}},
				Declared: inventory.Declaration{By: inventory.ByPod, Host: declared},
			},
			Processes: []snapshot.Process{{PID: pid, Command: command, Groups: []nsinspect.ThreadGroup{nstest.Sharing(shared...)}}},
		}
	}
	host := []nsinspect.Kind{nsinspect.Net, nsinspect.PID}
	exporter := at("node-exporter-k2xvq", "node-exporter", "node-exporter", 2101, "node_exporter", host, host...)
	exporter.Sockets = []snapshot.Socket{{
		Socket:  socket.Socket{Protocol: socket.TCP, Address: netip.AddrPortFrom(netip.IPv6Unspecified(), 9100), DualStack: true},
		Holders: []snapshot.Holder{{PID: 2101, Command: "node_exporter"}},
	}}
	return &snapshot.Snapshot{
		Node: "node-a", Time: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Duration: 35 * time.Millisecond, Host: nstest.Host(),
		Inventory: inventory.Inventory{Source: inventory.FromContainerd, Address: "/run/containerd/containerd.sock", Version: "2.4.2"},
		Coverage:  snapshot.Coverage{Processes: 312, Threads: 70},
		Containers: []snapshot.Container{
			exporter,
			at("grafana-6d4cf", "grafana", "grafana", 2302, "sleep", nil, nsinspect.Net),
		},
	}
}

// TestPolicyDocs reads each policy of docs/policy.md, and runs each command there with the one
// before it: "go test -update" writes what they print anew.
func TestPolicyDocs(t *testing.T) {
	const path = "../../docs/policy.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := saveSnapshot("node-a.json", nodeA()); err != nil {
		t.Fatal(err)
	}
	const fence = "```"
	blocks := strings.Split(string(text), fence)
	policies, commands := 0, 0
	for i := 1; i < len(blocks); i += 2 {
		language, block, _ := strings.Cut(blocks[i], "\n")
		switch language {
		case "yaml":
			policies++
			if _, err := policy.Parse([]byte(block)); err != nil {
				t.Errorf("%v in\n%s", err, block)
			}
			if err := os.WriteFile("policy.yaml", []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
		case "console":
			var b strings.Builder
			for line := range strings.Lines(block) {
				if command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ nsaudit "); ok {
					commands++
					b.WriteString(line + execute(t, command))
				}
			}
			blocks[i] = language + "\n" + b.String()
		default:
			t.Errorf("a block of %q, which is not tested", language)
		}
	}
	if policies < 6 || commands < 6 {
		t.Errorf("%d policies and %d commands", policies, commands)
	}
	t.Chdir(dir)
	reporttest.Golden(t, path, strings.Join(blocks, fence))
}

// execute runs a command as a shell would that knows nothing but how to show its exit code.
func execute(t *testing.T, command string) string {
	t.Helper()
	command, shows := strings.CutSuffix(command, `; echo "exit code $?"`)
	var out bytes.Buffer
	code := run(t.Context(), strings.Fields(command), streams{in: strings.NewReader(""), out: &out, err: &out})
	if shows {
		fmt.Fprintf(&out, "exit code %d\n", code)
	} else if code != exitDone {
		t.Errorf("%s: exit code %d, which is not shown", command, code)
	}
	return out.String()
}
