// SPDX-License-Identifier: Apache-2.0

//go:build integration

package containerd_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/procfs"

	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// TestForgedCgroups has a process that is in the host's network and in a cgroup that is
// named like an innocent container's.
func TestForgedCgroups(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)
	innocent := c.RunPod(t, runtimetest.NormalPod()).Container(t, "main")
	attacker := c.RunPod(t, runtimetest.PodSpec{Name: "attacker", Containers: []runtimetest.ContainerSpec{{Name: "main"}}}).Container(t, "main")
	forged := "cri-containerd-" + innocent.ID + ".scope"
	escapee := c.JoinHost(t, attacker.PID, "net")

	// Below the attacker's own cgroup it is the attacker's still.
	enter(t, escapee, func(path string) string { return filepath.Join(path, forged) })
	scan := command.scan(t)
	wantFindings(t, scan, "default/attacker main HostNetwork nobody")
	wantAllSeen(t, scan)

	// Outside of it, its container can't be determined: neither clean nor a finding about another container.
	enter(t, escapee, func(path string) string {
		return filepath.Join(filepath.Dir(filepath.Dir(path)), forged)
	})
	scan = command.scan(t)
	wantFindings(t, scan)
	if unseen := unknown(scan); len(unseen) != 1 || !strings.Contains(unseen[0].Reason, "named like this container's") {
		t.Errorf("unknown: %+v, want the forged cgroup", unseen)
	}
}

// enter moves a process into another cgroup of each hierarchy in which it is in a container.
func enter(t *testing.T, pid int, to func(path string) string) {
	t.Helper()
	process, err := procfs.NewProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := process.Cgroups()
	if err != nil {
		t.Fatal(err)
	}
	moved := 0
	for _, entry := range entries {
		if len(runtimes.Refs(entry.Path)) == 0 {
			continue
		}
		dir := filepath.Join(hierarchy(entry), to(entry.Path))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if slices.Equal(entry.Controllers, []string{"cpuset"}) {
			inherit(t, dir, "cpuset.cpus", "cpuset.mems")
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			t.Fatal(err)
		}
		moved++
	}
	if moved == 0 {
		t.Fatalf("process %d is in no container: %v", pid, entries)
	}
}

// hierarchy returns where a hierarchy is mounted by systemd and by most others.
func hierarchy(entry procfs.Cgroup) string {
	const root = "/sys/fs/cgroup"
	if entry.HierarchyID != 0 {
		return filepath.Join(root, strings.TrimPrefix(strings.Join(entry.Controllers, ","), "name="))
	}
	if hybrid := filepath.Join(root, "unified"); isDir(hybrid) {
		return hybrid
	}
	return root
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// inherit copies settings from the parent: an empty v1 cpuset takes no process.
func inherit(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		value, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), value, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
