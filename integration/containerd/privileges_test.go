// SPDX-License-Identifier: Apache-2.0

//go:build integration

package containerd_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/contrib/apparmor"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// confinement is containerd's default profile of pods' containers.
const confinement = "cri-containerd.apparmor.d"

// rootFinding is of a process that was started as root in a container of another user.
const rootFinding = "default/user main RootUser nobody"

// TestPrivileges runs nsaudit in a container with the capabilities that docs/security.md says
// are enough, and with fewer. Credentials may be read by anyone.
func TestPrivileges(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)
	c.RunPod(t, runtimetest.HostNetworkPod())
	c.RunPod(t, runtimetest.NormalPod())
	user := c.RunPod(t, runtimetest.PodSpec{Name: "user", Containers: []runtimetest.ContainerSpec{{Name: "main", Security: runtimetest.User(405)}}})
	c.Exec(t, user.Container(t, "main"), func(process *specs.Process) { process.User.UID = 0 })
	hostNetwork := oci.WithHostNamespace(specs.NetworkNamespace)

	t.Run("enough", func(t *testing.T) {
		scan := looked(t, inContainer(t, c, command, "enough", hostNetwork, oci.WithAddedCapabilities([]string{"CAP_SYS_PTRACE", "CAP_NET_ADMIN"})))
		wantFindings(t, scan, rootFinding, hostNetworkFinding, "auditor/enough HostNetwork spec")
		wantAllSeen(t, scan)
	})
	t.Run("enough for namespaces", func(t *testing.T) {
		scan := looked(t, inContainer(t, c, command, "namespaces", oci.WithAddedCapabilities([]string{"CAP_SYS_PTRACE"})))
		wantFindings(t, scan, rootFinding, hostNetworkFinding)
		wantNoForwards(t, scan, "enter the host's network namespace, which takes CAP_SYS_ADMIN")
	})
	t.Run("in the host's network, without the right to read rules", func(t *testing.T) {
		scan := looked(t, inContainer(t, c, command, "inside", hostNetwork, oci.WithAddedCapabilities([]string{"CAP_SYS_PTRACE"})))
		wantFindings(t, scan, rootFinding, hostNetworkFinding, "auditor/inside HostNetwork spec")
		wantNoForwards(t, scan, "which takes CAP_NET_ADMIN")
	})
	t.Run("without the capability", func(t *testing.T) {
		got := inContainer(t, c, command, "without")
		wantBlind(t, got, "CAP_SYS_PTRACE is missing")
	})
	if !appArmor() {
		t.Log("no AppArmor on this kernel: what its profile refuses is tested in the VM")
		return
	}
	t.Run("confined", func(t *testing.T) {
		got := inContainer(t, c, command, "confined", oci.WithAddedCapabilities([]string{"CAP_SYS_PTRACE"}), apparmor.WithDefaultProfile(confinement))
		wantBlind(t, got, "in spite of CAP_SYS_PTRACE: a security module")
	})
}

// looked returns the document of a scan that did not fail.
func looked(t *testing.T, got output) *v1alpha1.Scan {
	t.Helper()
	if got.code != 0 {
		t.Errorf("exit code %d", got.code)
	}
	return decode(t, got.out)
}

// wantNoForwards checks that forwards of ports, and nothing else, are unknown, and why.
func wantNoForwards(t *testing.T, scan *v1alpha1.Scan, reason string) {
	t.Helper()
	unseen := unknown(scan)
	if len(unseen) != 1 || unseen[0].Cause != "denied" || !strings.Contains(unseen[0].Reason, reason) || !strings.Contains(unseen[0].Reason, "hostNetwork") {
		t.Errorf("unknown %+v, want %q and the remedy", unseen, reason)
	}
}

// wantBlind checks that what can't be seen was not called clean, that the cause was given, and that credentials
// were judged all the same.
func wantBlind(t *testing.T, got output, reason string) {
	t.Helper()
	if got.code != 1 || !strings.Contains(got.out, reason) {
		t.Errorf("exit code %d, want 1 and %q in\n%s", got.code, reason, got.out)
	}
	scan := decode(t, got.out)
	if scan.Host.Reference != "none" {
		t.Errorf("host %q, want none", scan.Host.Reference)
	}
	wantFindings(t, scan, rootFinding)
	own := 0
	for _, level := range scan.Levels {
		if level.Pod.Namespace != "default" {
			continue // Of another runtime on this machine.
		}
		if own++; level.Enforced != "unknown" {
			t.Errorf("level %+v, want it unknown", level)
		}
	}
	if own != 3 {
		t.Errorf("levels of %d pods, want 3", own)
	}
}

// inContainer runs a scan in a container that has the host's procfs, containerd's socket
// and no capability but the ones that are added, and returns its exit code and document.
func inContainer(t *testing.T, c *runtimetest.Containerd, command nsaudit, id string, opts ...oci.SpecOpts) output {
	t.Helper()
	results := t.TempDir()
	socketDir := filepath.Dir(c.Address())
	opts = append([]oci.SpecOpts{
		oci.WithCapabilities(nil),
		oci.WithLinuxNamespace(specs.LinuxNamespace{Type: specs.CgroupNamespace}),
		oci.WithMounts([]specs.Mount{
			{Type: "bind", Source: "/proc", Destination: "/host/proc", Options: []string{"rbind", "ro"}},
			{Type: "bind", Source: command.path, Destination: "/nsaudit", Options: []string{"bind", "ro"}},
			{Type: "bind", Source: socketDir, Destination: socketDir, Options: []string{"rbind"}},
			{Type: "bind", Source: results, Destination: "/results", Options: []string{"bind"}},
		}),
		oci.WithProcessArgs("/nsaudit", "scan", "--procfs", "/host/proc", "--containerd-address", c.Address(), "--save", "/results/snapshot.json"),
	}, opts...)
	c.RunContainer(t, "auditor", id, opts...)
	code := wait(t, c, "auditor", id)

	snap := filepath.Join(results, "snapshot.json")
	if _, err := os.Stat(snap); err != nil {
		t.Fatalf("exit code %d and no snapshot: %v", code, err)
	}
	judged := nsaudit{command.path, []string{"scan"}}.run(t, nil, "-o", "json", "--from", snap)
	return output{code: code, out: judged.out, err: judged.err}
}

// wait returns the exit code of a container's init process.
func wait(t *testing.T, c *runtimetest.Containerd, namespace, id string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(namespaces.WithNamespace(t.Context(), namespace), time.Minute)
	defer cancel()
	container, err := c.Client(t).LoadContainer(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	task, err := container.Task(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	exited, err := task.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	status := <-exited
	if err := status.Error(); err != nil {
		t.Fatal(err)
	}
	return int(status.ExitCode())
}

// appArmor reports whether this kernel enforces AppArmor.
func appArmor() bool {
	enabled, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	return err == nil && strings.HasPrefix(string(enabled), "Y")
}
