//go:build linux

package runtimetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// namePrefix begins the names of our directories and cgroups; the process ID of the test follows. There is no
// hyphen in them, since systemd takes one in a slice's name for a level.
const namePrefix = "nsaudit_"

// close removes the containers in an orderly way, so that CNI, snapshots and shims clean up after themselves, and
// then whatever is left by force.
func (c *Containerd) close(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	failed := t.Failed()
	if failed {
		c.dumpLogs(t) // before the cleaning up drowns what matters
	}
	if err := errors.Join(c.removeAll(ctx), c.stop()); err != nil {
		t.Errorf("clean up: %v", err)
	}
	if t.Failed() && !failed {
		c.dumpLogs(t)
	}
	if err := sweep(c.dir); err != nil {
		t.Errorf("clean up: %v", err)
	}
}

// removeAll removes all pods and containers.
func (c *Containerd) removeAll(ctx context.Context) error {
	if err := c.wake(ctx); err != nil || c.client == nil {
		return err
	}
	if err := c.removePods(ctx); err != nil {
		return err
	}
	names, err := c.client.NamespaceService().List(ctx)
	if err != nil {
		return fmt.Errorf("list namespaces: %w", err)
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, removeContainers(namespaces.WithNamespace(ctx, name), c.client))
	}
	return errors.Join(errs...)
}

// wake undoes what a test that failed half-way may have left: hung shims and a stopped daemon.
func (c *Containerd) wake(ctx context.Context) error {
	cgroups, err := cgroupTree(c.name)
	if err != nil {
		return err
	}
	for _, pid := range pidsIn(cgroups) {
		_ = unix.Kill(pid, unix.SIGCONT)
	}
	if !c.stopped {
		return nil
	}
	return c.start(ctx)
}

func (c *Containerd) removePods(ctx context.Context) error {
	list, err := c.Runtime().ListPodSandbox(ctx, &runtime.ListPodSandboxRequest{})
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	for _, pod := range list.GetItems() {
		_, err := c.Runtime().StopPodSandbox(ctx, &runtime.StopPodSandboxRequest{PodSandboxId: pod.GetId()})
		if err == nil {
			_, err = c.Runtime().RemovePodSandbox(ctx, &runtime.RemovePodSandboxRequest{PodSandboxId: pod.GetId()})
		}
		if err != nil {
			return fmt.Errorf("remove pod %s: %w", pod.GetMetadata().GetName(), err)
		}
	}
	return nil
}

// sweepStale removes what tests left behind that were killed or ran into their timeout.
func sweepStale(t testing.TB) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), namePrefix+"*_*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), namePrefix), "_")
		pid, err := strconv.Atoi(owner)
		if err != nil || !errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			continue // no directory of ours, or of a test that still runs
		}
		if err := sweep(dir); err != nil {
			t.Errorf("clean up after an earlier test: %v", err)
		}
	}
}

// sweep kills all processes of a containerd, unmounts what is below its directory and removes that and the cgroups.
func sweep(dir string) error {
	name := filepath.Base(dir)
	if err := killAll(name); err != nil {
		return err
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	for _, mount := range slices.Backward(mounts) {
		if err := unix.Unmount(mount.Mountpoint, unix.MNT_DETACH); err != nil {
			// Nothing may be removed through a mount, which could lead out of the directory.
			return fmt.Errorf("unmount %s: %w", mount.Mountpoint, err)
		}
	}
	return errors.Join(removeCgroups(name), removeElsewhere(dir), os.RemoveAll(dir))
}

// shimSockets returns the sockets of the shims of containerd 1.6, by what their bundles say.
func shimSockets(dir string) []string {
	var sockets []string
	addresses, _ := filepath.Glob(filepath.Join(dir, "state/io.containerd.runtime.v2.task/*/*/address"))
	for _, path := range addresses {
		if text, err := os.ReadFile(path); err == nil {
			sockets = append(sockets, strings.TrimPrefix(string(text), "unix://"))
		}
	}
	return sockets
}

// removeElsewhere removes the few files that can't be made to be below the directory: the sockets of the shims of
// containerd 1.6, and CNI's cache. An orderly end has removed them already.
func removeElsewhere(dir string) error {
	files := shimSockets(dir)
	const cache = "/var/lib/cni/results"
	results, _ := filepath.Glob(filepath.Join(cache, filepath.Base(dir)+"-*-eth0"))
	for _, path := range results {
		sandbox := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), filepath.Base(dir)+"-"), "-eth0")
		files = append(files, path, filepath.Join(cache, "cni-loopback-"+sandbox+"-lo"))
	}
	var errs []error
	for _, path := range files {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// killAll kills until there is nothing left to kill.
func killAll(name string) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		cgroups, err := cgroupTree(name)
		if err != nil {
			return err
		}
		pids := pidsIn(cgroups)
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v of %s can't be killed", pids, name)
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func removeCgroups(name string) error {
	cgroups, err := cgroupTree(name)
	if err != nil {
		return err
	}
	var errs []error
	for _, cgroup := range slices.Backward(cgroups) {
		// os.Remove would try unlink too, and report its error.
		if err := unix.Rmdir(cgroup); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("remove cgroup %s: %w", cgroup, err))
		}
	}
	return errors.Join(errs...)
}
