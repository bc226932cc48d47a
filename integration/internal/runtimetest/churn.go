// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"context"
	"fmt"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
)

// Churn runs short containers, so many loops of them, until the stop that it returns is called, which
// returns how many there were. No container of the test's may be named prefix-N-M.
func (c *Containerd) Churn(t testing.TB, namespace, prefix string, loops int, opts ...oci.SpecOpts) (stop func() int) {
	t.Helper()
	image := c.alpine(t, namespace)
	ctx, cancel := context.WithCancel(namespaces.WithNamespace(context.WithoutCancel(t.Context()), namespace))
	counts, failures := make(chan int, loops), make(chan error, loops)
	for loop := range loops {
		go func() {
			n, err := 0, error(nil)
			for ; ctx.Err() == nil && err == nil; n++ {
				// One that was begun is ended.
				err = c.runShort(context.WithoutCancel(ctx), image, namespace, fmt.Sprintf("%s-%d-%d", prefix, loop, n), opts...)
			}
			counts <- n
			failures <- err
		}()
	}
	return func() (n int) {
		cancel()
		for range loops {
			n += <-counts
			if err := <-failures; err != nil {
				t.Errorf("short containers: %v", err)
			}
		}
		return n
	}
}

// runShort runs a container that is killed as soon as it runs.
func (c *Containerd) runShort(ctx context.Context, image client.Image, namespace, id string, opts ...oci.SpecOpts) error {
	container, err := c.newContainer(ctx, image, namespace, id, opts...)
	if err != nil {
		return err
	}
	task, err := container.NewTask(ctx, cio.NullIO)
	if err != nil {
		return err
	}
	if err := StartAndKill(ctx, task); err != nil {
		return err
	}
	return container.Delete(ctx, client.WithSnapshotCleanup)
}

// StartAndKill has a process live for a moment.
func StartAndKill(ctx context.Context, process client.Process) error {
	exited, err := process.Wait(ctx)
	if err == nil {
		err = process.Start(ctx)
	}
	if err == nil {
		err = process.Kill(ctx, syscall.SIGKILL)
	}
	if err == nil {
		<-exited
		_, err = process.Delete(ctx)
	}
	return err
}
