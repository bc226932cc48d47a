// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/containerd/errdefs"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
)

// Container is a running container.
type Container struct {
	Namespace string // containerd's
	ID        string
	Name      string // in its pod; empty outside of pods
	PID       int    // of its init process, as the host sees it
}

// RunContainer runs a container that CRI knows nothing of, as `ctr run` does, in any containerd namespace.
// It sleeps unless the options give it other arguments.
func (c *Containerd) RunContainer(t testing.TB, namespace, id string, opts ...oci.SpecOpts) Container {
	t.Helper()
	ctx, cancel := within(t, namespace)
	defer cancel()
	image := c.alpine(t, namespace)
	container, err := c.newContainer(ctx, image, namespace, id, opts...)
	if err != nil {
		t.Fatalf("create container %s/%s: %v", namespace, id, err)
	}
	task, err := container.NewTask(ctx, cio.LogFile(filepath.Join(c.dir, "logs", namespace+"_"+id)))
	if err != nil {
		t.Fatalf("create the task of %s/%s: %v", namespace, id, err)
	}
	if err := task.Start(ctx); err != nil {
		t.Fatalf("start %s/%s: %v", namespace, id, err)
	}
	return c.running(t, namespace, id)
}

func (c *Containerd) newContainer(ctx context.Context, image client.Image, namespace, id string, opts ...oci.SpecOpts) (client.Container, error) {
	spec := append([]oci.SpecOpts{
		oci.WithImageConfig(image),
		oci.WithCgroup(c.cgroupsPath(namespace, id)),
	}, opts...)
	return c.client.NewContainer(ctx, id,
		client.WithImage(image),
		client.WithNewSnapshot(id, image),
		client.WithNewSpec(spec...),
		client.WithRuntime("io.containerd.runc.v2", &options.Options{
			BinaryName:    filepath.Join(c.binaries, "runc"),
			Root:          filepath.Join(c.dir, "runc"),
			SystemdCgroup: systemdCgroup(),
		}),
	)
}

// alpine returns the image that containers outside of pods are made of.
func (c *Containerd) alpine(t testing.TB, namespace string) client.Image {
	t.Helper()
	ctx, cancel := within(t, namespace)
	defer cancel()
	image, err := c.client.GetImage(ctx, AlpineImage)
	if errdefs.IsNotFound(err) {
		c.ImportImage(t, namespace, Image{Name: AlpineImage, Command: []string{sleepPath, "9999999"}})
		image, err = c.client.GetImage(ctx, AlpineImage)
	}
	if err != nil {
		t.Fatalf("get %s in %s: %v", AlpineImage, namespace, err)
	}
	return image
}

// running describes a container that was started, as soon as runc has made way for its program,
// which may have ended since.
func (c *Containerd) running(t testing.TB, namespace, id string) Container {
	t.Helper()
	container := Container{Namespace: namespace, ID: id, PID: c.initPID(t, namespace, id)}
	eventually.True(t, fmt.Sprintf("%s/%s runs its program", namespace, id), func() bool {
		comm, err := os.ReadFile(procPath(container.PID, "comm"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			return true
		}
		return err == nil && !strings.HasPrefix(string(comm), "runc")
	})
	return container
}

// initPID reads the process ID from the shim's bundle: unlike a call, that works while the shim hangs.
func (c *Containerd) initPID(t testing.TB, namespace, id string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "state", "io.containerd.runtime.v2.task", namespace, id, "init.pid"))
	if err != nil {
		t.Fatalf("find the process of %s/%s: %v", namespace, id, err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatalf("find the process of %s/%s: %v", namespace, id, err)
	}
	return pid
}

func procPath(pid int, elem ...string) string {
	return filepath.Join(append([]string{"/proc", strconv.Itoa(pid)}, elem...)...)
}
