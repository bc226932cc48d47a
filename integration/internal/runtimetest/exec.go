// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/google/uuid"
	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// ExecSync runs a program in a pod's container as `kubectl exec` has it done, which must not end before the test does.
func (c *Containerd) ExecSync(t testing.TB, container Container, command ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		_, err = c.Runtime().ExecSync(ctx, &runtime.ExecSyncRequest{ContainerId: container.ID, Cmd: command})
	}()
	t.Cleanup(func() {
		select {
		case <-ended:
			t.Errorf("%q ended in %s: %v", command, container.Name, err)
		default:
		}
		cancel()
		<-ended
	})
}

// Exec starts a program in a container as `ctr task exec` does: as the container's own, but for what change changes. It
// returns its process ID.
func (c *Containerd) Exec(t testing.TB, container Container, change func(*specs.Process)) (pid int) {
	t.Helper()
	ctx, cancel := within(t, container.Namespace)
	defer cancel()
	loaded, err := c.client.LoadContainer(ctx, container.ID)
	if err != nil {
		t.Fatalf("find %s: %v", container.ID, err)
	}
	spec, err := loaded.Spec(ctx)
	if err != nil {
		t.Fatalf("read the spec of %s: %v", container.ID, err)
	}
	task, err := loaded.Task(ctx, nil)
	if err != nil {
		t.Fatalf("find the task of %s: %v", container.ID, err)
	}
	change(spec.Process)
	process, err := task.Exec(ctx, "exec-"+uuid.NewString(), spec.Process, cio.NullIO)
	if err != nil {
		t.Fatalf("exec in %s: %v", container.ID, err)
	}
	if err := process.Start(ctx); err != nil {
		t.Fatalf("start a program in %s: %v", container.ID, err)
	}
	return int(process.Pid())
}

// RuncExec starts a program in a container as `runc exec OPTION... ID PROGRAM` does.
func (c *Containerd) RuncExec(t testing.TB, container Container, program string, options ...string) {
	t.Helper()
	log := filepath.Join(c.dir, "logs", "runc-exec-"+container.ID)
	args := []string{"--root", filepath.Join(c.dir, "runc", container.Namespace), "--log", log, "exec", "--detach"}
	args = append(append(args, options...), container.ID, program)
	// The program keeps what it is given for its output: not a pipe, whose end would be waited for.
	if err := exec.CommandContext(t.Context(), filepath.Join(c.binaries, "runc"), args...).Run(); err != nil {
		text, _ := os.ReadFile(log)
		t.Fatalf("runc %q: %v\n%s", args, err, text)
	}
}

// Processes returns the processes in a container's cgroup.
func (c *Containerd) Processes(t testing.TB, container Container) []int {
	t.Helper()
	cgroups, err := cgroupsOf(container.PID)
	if err != nil {
		t.Fatalf("find the cgroups of %s: %v", container.ID, err)
	}
	return pidsIn(cgroups)
}
