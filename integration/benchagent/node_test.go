// SPDX-License-Identifier: Apache-2.0

//go:build integration

package benchagent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
	"github.com/nsaudit/nsaudit/integration/internal/scrape"
)

// workDir is where programs and their process IDs are put on the node.
const workDir = "/run/nsaudit-bench"

// scanRuns is how often a full scan is measured by itself.
const scanRuns = 5

// node is the worker, where everything runs.
type node struct {
	kindtest.Cluster
	t *testing.T
}

// program is one that is measured.
type program struct {
	name string
	pid  int // on the node
	port int // on the node's loopback
	size int64
}

// bash runs a script on the node.
func (n node) bash(script string, args ...string) string {
	n.t.Helper()
	return n.In(n.t, n.Worker(), append([]string{"bash", "-c", script, "bash"}, args...)...)
}

// clean stops the programs that were started on the node, by their process IDs, and removes their files.
func (n node) clean() {
	n.t.Helper()
	n.bash(`for file in "$1"/*.pid; do
	[[ -e $file ]] || continue
	pid=$(<"$file")
	# The number may be another process's by now.
	[[ $(readlink "/proc/$pid/exe") != "$1"/* ]] || kill "$pid"
done
rm -rf "$1"`, workDir)
}

// put copies a file's content to the node and returns its path there.
func (n node) put(name, content string) string {
	n.t.Helper()
	file := filepath.Join(n.t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		n.t.Fatal(err)
	}
	return n.copy(file)
}

// copy copies a file to the node and returns its path there.
func (n node) copy(file string) string {
	n.t.Helper()
	n.bash(`mkdir -p "$1"`, workDir)
	target := filepath.Join(workDir, filepath.Base(file))
	n.Run(n.t, "cp", file, n.Worker()+":"+target)
	return target
}

// start starts a program on the node and waits until it serves metrics.
func (n node) start(name, file string, port int, args ...string) program {
	n.t.Helper()
	target := n.copy(file)
	out := n.bash(`"$@" </dev/null >"$1.log" 2>&1 & echo $! | tee "$1.pid"`, append([]string{target}, args...)...)
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		n.t.Fatalf("start %s: %v", name, err)
	}
	p := program{name: name, pid: pid, port: port, size: sizeOf(n.t, file)}
	err = eventually.Holds(10*time.Second, name+" serves", func() bool {
		_, code := n.Try(n.t, n.get(port)...)
		return code == 0
	})
	if err != nil {
		n.t.Fatalf("%v; it wrote:\n%s", err, n.bash(`tail -n 20 "$1.log"`, target))
	}
	return p
}

// agent returns the agent that runs in its pod on the node.
func (n node) agent() program {
	n.t.Helper()
	_, id, _ := strings.Cut(n.agentPod("{.status.containerStatuses[0].containerID}"), "://")
	out := n.bash(`ctr -n k8s.io tasks ls 2>/dev/null | awk -v id="$1" '$1 == id { print $2 }'`, id)
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		n.t.Fatalf("find the process of container %q: %v", id, err)
	}
	return program{name: "nsaudit agent", pid: pid, port: 9547, size: sizeOf(n.t, binary)}
}

// agentPod returns a field of the agent's pod.
func (n node) agentPod(path string) string {
	n.t.Helper()
	return kindtest.Do(n.t, "get", "pods", "-n", "nsaudit", "--field-selector", "spec.nodeName="+n.Worker(),
		"-o", "jsonpath={range .items[0]}"+path+"{end}")
}

// fullScans returns how many full scans the agent has ended.
func (n node) fullScans() uint64 {
	n.t.Helper()
	path := "/api/v1/namespaces/nsaudit/pods/" + n.agentPod("{.metadata.name}") + ":9547/proxy/metrics"
	return scrape.Parse(n.t, kindtest.Do(n.t, "get", "--raw", path)).FullScans()
}

// get is the engine's command that reads metrics as Prometheus does, and fails unless there are any.
func (n node) get(port int) []string {
	const script = `exec 3<>"/dev/tcp/127.0.0.1/$1" &&
printf 'GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n' >&3 &&
read -r version code rest <&3 && cat <&3 >/dev/null && [[ $code == 200 ]]`
	return []string{"exec", n.Worker(), "timeout", "10", "bash", "-c", script, "bash", strconv.Itoa(port)}
}

// scrape reads the metrics of all programs.
func (n node) scrape(programs []program) {
	n.t.Helper()
	for _, p := range programs {
		n.Run(n.t, n.get(p.port)...)
	}
}

// scanCost returns the processor time of one full scan in a process of its own.
func (n node) scanCost() time.Duration {
	n.t.Helper()
	target := n.copy(binary)
	var costs []time.Duration
	for range scanRuns {
		out := n.bash(`TIMEFORMAT='%U %S'; time "$1" scan -o json >/dev/null 2>&1`, target)
		var user, system float64
		if _, err := fmt.Sscan(out, &user, &system); err != nil {
			n.t.Fatalf("measure a scan: %v in %q", err, out)
		}
		costs = append(costs, time.Duration((user+system)*float64(time.Second)).Round(time.Millisecond))
	}
	slices.Sort(costs)
	return costs[len(costs)/2]
}

func (n node) processes() string {
	n.t.Helper()
	return strings.TrimSpace(n.bash(`ls -d /proc/[0-9]* | wc -l`))
}

// pauseImage is the image of the sandboxes, which every node has.
func (n node) pauseImage() string {
	n.t.Helper()
	return strings.TrimSpace(n.bash(`ctr -n k8s.io images ls -q 2>/dev/null | grep -m 1 '/pause:'`))
}

func sizeOf(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
