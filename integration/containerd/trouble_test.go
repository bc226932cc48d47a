// SPDX-License-Identifier: Apache-2.0

//go:build integration

package containerd_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// TestHungShim: a shim that does not answer costs its containers their verdict, and no
// other container anything.
func TestHungShim(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)
	c.RunPod(t, runtimetest.HostNetworkPod())
	hung := c.RunContainer(t, "default", "hung", oci.WithHostNamespace(specs.NetworkNamespace))
	resume := c.Hang(t, hung.Namespace, hung.ID)

	scan := command.scan(t)
	// What its processes share is seen all the same, and who asked for it is in the record.
	wantFindings(t, scan, hostNetworkFinding, "default/hung HostNetwork spec")
	if unseen := unknown(scan); len(unseen) != 1 || unseen[0].Container != "default/hung" || !strings.Contains(unseen[0].Reason, "shim does not answer") {
		t.Errorf("unknown: %+v, want the one container", unseen)
	}
	for _, u := range command.scan(t, "--pod", "nothing").Coverage.Unknown {
		if u.Container == "default/hung" {
			t.Errorf("the hung container is not among those asked for, but unknown: %s", u.Reason)
		}
	}

	resume()
	eventually.True(t, "the shim answers again", func() bool { return len(unknown(command.scan(t))) == 0 })
}

// TestRestart: containerd goes away and comes back.
func TestRestart(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)
	pod := c.RunPod(t, runtimetest.HostNetworkPod())

	c.Stop(t)
	got := command.run(t, nil, "-o", "json")
	if got.code != 1 || !strings.Contains(got.err, c.Address()) {
		t.Errorf("without containerd: exit code %d, stderr %q; want 1 and the socket's path", got.code, got.err)
	}
	// What the cgroups tell is not lost.
	without := decode(t, got.out)
	if without.Inventory.Source != "cgroups" || len(without.Coverage.Unknown) == 0 {
		t.Errorf("without containerd: inventory %+v, unknown %+v", without.Inventory, without.Coverage.Unknown)
	}
	container := pod.Container(t, "main")
	var shared bool
	for _, f := range without.Findings {
		shared = shared || f.Container.ID == container.ID && f.Check == "HostNetwork" && f.DeclaredBy == "unknown"
	}
	if !shared {
		t.Errorf("without containerd: findings %v, want the container's by its cgroup", findings(without))
	}

	c.Restart(t)
	eventually.True(t, "the scan is as before", func() bool {
		got := command.run(t, nil, "-o", "json")
		return got.code == 0 && len(unknown(decode(t, got.out))) == 0
	})
	wantFindings(t, command.scan(t), hostNetworkFinding)
}

// TestSocketThatHangs: a process listens and never answers.
func TestSocketThatHangs(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)
	c.RunPod(t, runtimetest.NormalPod())
	dir, err := os.MkdirTemp("", "ns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	silent := filepath.Join(dir, "s")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", silent)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	command.args = []string{"scan", "--containerd-address", silent}
	got := command.run(t, nil)
	if got.code != 1 || !strings.Contains(got.err, silent) || !strings.Contains(got.out, "Looked at") {
		t.Errorf("exit code %d\nstderr %s\nstdout %s", got.code, got.err, got.out)
	}
	if !strings.Contains(got.err, "connect to containerd (") {
		t.Errorf("nothing said what was waited for: %q", got.err)
	}
	if got.took > 30*time.Second {
		t.Errorf("it took %s", got.took)
	}
}

// TestWithoutRights runs as a user who may read next to nothing.
func TestWithoutRights(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)
	c.RunPod(t, runtimetest.HostNetworkPod())
	// Where that user can reach it.
	dir, err := os.MkdirTemp("", "ns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	copied := filepath.Join(dir, "nsaudit")
	binary, err := os.ReadFile(command.path)
	if err == nil {
		err = os.WriteFile(copied, binary, 0o755)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	command.path = copied
	got := command.run(t, func(cmd *exec.Cmd) {
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	})
	if got.code != 1 {
		t.Errorf("exit code %d, want 1", got.code)
	}
	for _, want := range []string{"No verdict", "CAP_SYS_PTRACE is missing", "permission denied"} {
		if !strings.Contains(got.out+got.err, want) {
			t.Errorf("it does not say %q:\n%s%s", want, got.out, got.err)
		}
	}
	if strings.Contains(got.out, "have no finding") {
		t.Errorf("it says that all is clean:\n%s", got.out)
	}
}

// TestExecs scans while processes are started in a container all the time: a runtime's own
// process is for a moment in the container's cgroup and in the host's namespaces.
func TestExecs(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)
	const workers = 3
	ctx, stop := context.WithCancel(t.Context())
	execs := make(chan int)
	for i := range workers {
		busy := c.RunContainer(t, "default", "busy-"+strconv.Itoa(i))
		go func() { execs <- execUntil(namespaces.WithNamespace(ctx, busy.Namespace), t, c, busy.ID) }()
	}
	transient := 0
	for range 20 {
		scan := command.scan(t)
		wantFindings(t, scan)
		transient += scan.Coverage.Transient
	}
	stop()
	n := 0
	for range workers {
		n += <-execs
	}
	t.Logf("%d processes were started meanwhile, of which %d were seen on their way in", n, transient)
	if n == 0 {
		t.Error("no process was started")
	}
}

// TestShortContainers scans while containers come and go all the time: that one ends during a scan
// makes nothing unknown.
func TestShortContainers(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)
	scans := 30
	if text := os.Getenv(scansEnv); text != "" {
		var err error
		if scans, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	stop := c.Churn(t, "default", "short", 2)
	for range scans {
		scan := command.scan(t)
		wantFindings(t, scan)
		for _, u := range unknown(scan) {
			if u.Container == "" || strings.Contains(u.Container, "short-") {
				t.Errorf("unknown: %s: %s", u.Container, u.Reason)
			}
		}
	}
	n := stop()
	t.Logf("%d containers came and went during %d scans", n, scans)
	if n < scans/3 { // A slow machine starts fewer.
		t.Errorf("%d containers came and went during %d scans, too few to tell", n, scans)
	}
}

// execUntil starts and ends processes in a container until the context ends.
func execUntil(ctx context.Context, t *testing.T, c *runtimetest.Containerd, id string) (n int) {
	t.Helper()
	container, err := c.Client(t).LoadContainer(ctx, id)
	if err != nil {
		t.Error(err)
		return 0
	}
	spec, err := container.Spec(ctx)
	if err != nil {
		t.Error(err)
		return 0
	}
	task, err := container.Task(ctx, nil)
	if err != nil {
		t.Error(err)
		return 0
	}
	for ; ctx.Err() == nil; n++ {
		process, err := task.Exec(ctx, "exec-"+strconv.Itoa(n), spec.Process, cio.NullIO)
		if err != nil {
			break
		}
		if runtimetest.StartAndKill(ctx, process) != nil {
			break
		}
	}
	if ctx.Err() == nil {
		t.Errorf("exec %d ended without being told to", n)
	}
	return n
}
