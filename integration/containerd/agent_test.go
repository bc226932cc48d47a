// SPDX-License-Identifier: Apache-2.0

//go:build integration

package containerd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/prometheus/procfs"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
	"github.com/nsaudit/nsaudit/integration/internal/scrape"
)

// prompt is how soon a change has to be seen: it takes a fraction of a second on a machine
// that has nothing else to do, and an hour where no event tells of it.
const prompt = 30 * time.Second

// TestAgent runs the agent as on a node without a cluster. It looks at everything once an
// hour, so that what it tells in time, it was told by containerd's events.
func TestAgent(t *testing.T) {
	c := runtimetest.Start(t)
	c.RunPod(t, runtimetest.HostNetworkPod())
	a := startAgent(t, build(t, c))
	a.want(t, "before any event", "pod-with-host-network/main HostNetworkShared")
	scans := a.quiet(t)

	pod := c.RunPod(t, runtimetest.HostPIDIPCPod())
	a.want(t, "a pod has started",
		"pod-with-host-network/main HostNetworkShared",
		"pod-with-host-pid-and-ipc/main HostIPCShared",
		"pod-with-host-pid-and-ipc/main HostPIDShared")
	stopPod(t, c, pod)
	a.want(t, "the pod has ended", "pod-with-host-network/main HostNetworkShared")
	if now := a.metrics(t).FullScans(); now != scans {
		t.Errorf("%d full scans, and %d before: it was not the events that told", now, scans)
	}

	c.Stop(t)
	eventually.True(t, "the agent says that containerd is away", func() bool {
		code, why := a.get(t, "/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(why, "[-]containerd: no connection to containerd")
	})
	c.Restart(t)
	// Its look at what happened meanwhile, which no event tells.
	eventually.True(t, "the agent has looked at everything again", func() bool { return a.metrics(t).FullScans() == scans+1 })
	c.RunPod(t, runtimetest.PodSpec{Name: "late", HostIPC: true, Containers: []runtimetest.ContainerSpec{{Name: "main"}}})
	a.want(t, "a pod has started after containerd's restart",
		"late/main HostIPCShared",
		"pod-with-host-network/main HostNetworkShared")
	if code, why := a.get(t, "/readyz"); code != http.StatusOK || a.metrics(t).FullScans() != scans+1 {
		t.Errorf("/readyz is %d, after %d full scans, and %d before:\n%s", code, a.metrics(t).FullScans(), scans, why)
	}
	// It was told so early that runc may not have made way for them.
	for _, line := range a.lines(t) {
		if line.Message == "Finding" && line.Pod != "" && !strings.HasSuffix(line.Processes, "(sleep)") {
			t.Errorf("the process of %s is named %q, want sleep", line.Pod, line.Processes)
		}
	}
}

// TestAgentAfterExec has a program that is started in a container and enters the host's network, long after the container
// was looked at.
func TestAgentAfterExec(t *testing.T) {
	c := runtimetest.Start(t)
	pod := c.RunPod(t, runtimetest.PodSpec{Name: "entered", Containers: []runtimetest.ContainerSpec{{
		Name: "main", Security: runtimetest.Privileged(),
		Mounts: []*runtime.Mount{{HostPath: "/proc", ContainerPath: "/host/proc"}},
	}}})
	a := startAgent(t, build(t, c))
	a.quiet(t)
	begun := time.Now()
	c.Exec(t, pod.Container(t, "main"), func(process *specs.Process) {
		process.Args = []string{"/bin/setns-thread", fmt.Sprintf("/host/proc/%d/ns/net", c.PID())}
	})
	if err := eventually.Holds(prompt, "the agent tells of it", func() bool {
		return slices.Contains(a.told(t), "entered/main UndeclaredHostNetwork")
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("it was found after %s", time.Since(begun).Round(10*time.Millisecond))
}

// TestAgentAmongProbes has programs started in a container all the time, as probes are.
func TestAgentAmongProbes(t *testing.T) {
	c := runtimetest.Start(t)
	a := startAgent(t, build(t, c))
	// It could enter a namespace of the host.
	probed := c.RunContainer(t, "default", "probed", oci.WithPrivileged)
	a.quiet(t)
	ctx, stop := context.WithTimeout(namespaces.WithNamespace(t.Context(), probed.Namespace), 40*time.Second)
	defer stop()
	scans, before, begun := a.metrics(t).TargetedScans(), a.processorTime(t), time.Now()
	n := execUntil(ctx, t, c, probed.ID)
	took := time.Since(begun)
	share := float64(a.processorTime(t)-before) / float64(took)
	looks := a.metrics(t).TargetedScans() - scans
	t.Logf("%.1f programs a second: the agent looked %d times and took %.2f %% of a processor", float64(n)/took.Seconds(), looks, 100*share)
	// Without the budget it would look twice for each program.
	if looks > uint64(n)/2 {
		t.Errorf("the agent looked %d times for %d programs", looks, n)
	}
}

// processorTime is what the agent has used.
func (a *agent) processorTime(t *testing.T) time.Duration {
	t.Helper()
	process, err := procfs.NewProc(a.pid)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := process.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(stat.CPUTime() * float64(time.Second))
}

// stopPod ends a pod as the kubelet does.
func stopPod(t *testing.T, c *runtimetest.Containerd, pod *runtimetest.Pod) {
	t.Helper()
	_, err := c.Runtime().StopPodSandbox(t.Context(), &runtime.StopPodSandboxRequest{PodSandboxId: pod.Sandbox.ID})
	if err == nil {
		_, err = c.Runtime().RemovePodSandbox(t.Context(), &runtime.RemovePodSandboxRequest{PodSandboxId: pod.Sandbox.ID})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// agent is a running nsaudit agent.
type agent struct {
	pid     int
	address string

	mu  sync.Mutex
	log bytes.Buffer
}

// startAgent starts an agent, and ends it with the test, to which it has to agree.
func startAgent(t *testing.T, command nsaudit) *agent {
	t.Helper()
	a := new(agent)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), command.path, append([]string{"agent"}, command.args[1:]...)...)
	cmd.Args = append(cmd.Args, "--interval", "1h", "--listen-address", "127.0.0.1:0", "--log-format", "json")
	cmd.Stdout, cmd.Stderr = a, a
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a.pid = cmd.Process.Pid
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the agent: %v", err)
		}
		if t.Failed() {
			t.Logf("the agent:\n%s", a.log.String())
		}
	})
	eventually.True(t, "the agent listens", func() bool {
		for _, line := range a.lines(t) {
			if line.Message == "Listening" {
				a.address = line.Addresses[0]
			}
		}
		return a.address != ""
	})
	return a
}

// Write takes what the agent prints.
func (a *agent) Write(text []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.Write(text)
}

// line is a line of its log.
type line struct {
	Message        string `json:"msg"`
	Addresses      []string
	Pod, Container string
	Reason         string
	Processes      string
}

func (a *agent) lines(t *testing.T) []line {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []line
	// The last one may not be whole yet.
	whole := a.log.Bytes()[:bytes.LastIndexByte(a.log.Bytes(), '\n')+1]
	for text := range bytes.Lines(whole) {
		var one line
		if err := json.Unmarshal(text, &one); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		all = append(all, one)
	}
	return all
}

// want waits until the log and the metrics both have these findings.
func (a *agent) want(t *testing.T, when string, want ...string) {
	t.Helper()
	err := eventually.Succeeds(prompt, func() error {
		told, shown := a.told(t), a.shown(t)
		if diff := cmp.Diff(want, told) + cmp.Diff(want, shown); diff != "" {
			return fmt.Errorf("%s: findings in the log and in the metrics (-want +got):\n%s", when, diff)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// told are the findings about pods that began and have not ended, by the log. Containers that
// this containerd does not know are not the test's.
func (a *agent) told(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, line := range a.lines(t) {
		if line.Pod == "" {
			continue
		}
		name := fmt.Sprintf("%s/%s %s", line.Pod, line.Container, line.Reason)
		switch line.Message {
		case "Finding":
			found = append(found, name)
		case "Finding ended":
			i := slices.Index(found, name)
			if i < 0 {
				t.Fatalf("ended without having begun: %s", name)
			}
			found = slices.Delete(found, i, i+1)
		}
	}
	slices.Sort(found)
	return found
}

// shown are the findings about pods that have a series.
func (a *agent) shown(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, f := range a.metrics(t).Findings() {
		if f.Pod == "" {
			continue
		}
		found = append(found, fmt.Sprintf("%s/%s %s", f.Pod, f.Container, f.Reason))
	}
	slices.Sort(found)
	return found
}

// quiet waits until the agent has ended the full scans that it begins with: it takes another
// one where it subscribed to containerd's events during the first. It returns their number.
func (a *agent) quiet(t *testing.T) uint64 {
	t.Helper()
	for before := a.metrics(t).FullScans(); ; {
		time.Sleep(3 * time.Second)
		now := a.metrics(t).FullScans()
		if now == before {
			return now
		}
		before = now
	}
}

func (a *agent) metrics(t *testing.T) scrape.Page {
	t.Helper()
	_, page := a.get(t, "/metrics")
	return scrape.Parse(t, page)
}

func (a *agent) get(t *testing.T, path string) (code int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
