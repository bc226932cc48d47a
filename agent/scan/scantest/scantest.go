// SPDX-License-Identifier: Apache-2.0

// Package scantest has fixtures for the tests of what scans a node: a procfs of a few files
// and a container runtime with fixed answers.
package scantest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// HexID is an id of the form that runtimes give.
func HexID(c string) string { return strings.Repeat(c, 64) }

// Procfs makes a procfs of the host's pid 1 and of processes with the given cgroups. All
// have the host's network namespace and otherwise their own.
func Procfs(t *testing.T, cgroups map[int]string) *nsinspect.FS {
	t.Helper()
	root := t.TempDir()
	namespaces := t.TempDir()
	cgroups[1] = "/init.scope"
	for pid, cgroup := range cgroups {
		dir := filepath.Join(root, fmt.Sprint(pid))
		for _, ns := range []string{dir + "/ns", fmt.Sprintf("%s/task/%d/ns", dir, pid)} {
			Must(t, os.MkdirAll(ns, 0o755))
			for _, kind := range nsinspect.Kinds() {
				file := filepath.Join(namespaces, fmt.Sprintf("%s-%d", kind, pid))
				if kind == nsinspect.Net {
					file = filepath.Join(namespaces, "net")
				}
				Must(t, os.WriteFile(file, nil, 0o600))
				Must(t, os.Symlink(file, filepath.Join(ns, kind.String())))
			}
		}
		Must(t, os.WriteFile(dir+"/cgroup", []byte("0::"+cgroup+"\n"), 0o600))
		Must(t, os.WriteFile(dir+"/comm", []byte("web\n"), 0o600))
	}
	fs, err := nsinspect.NewFS(root)
	Must(t, err)
	t.Cleanup(func() { Must(t, fs.Close()) })
	return fs
}

// Must ends the test where there is an error.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Source is a containerd with fixed answers.
type Source struct {
	Listed []inventory.Container
	ByID   map[string]inventory.Container
	Err    error
}

// List returns the containers of Listed.
func (s Source) List(context.Context) (inventory.Inventory, []inventory.Container, error) {
	return inventory.Inventory{Source: inventory.FromContainerd}, s.Listed, nil
}

// Get returns the container of ByID, or Err.
func (s Source) Get(_ context.Context, key inventory.Key) (inventory.Container, error) {
	if s.Err != nil {
		return inventory.Container{}, s.Err
	}
	container, ok := s.ByID[key.ID]
	if !ok || container.Key() != key {
		return inventory.Container{}, inventory.ErrNotFound
	}
	return container, nil
}

// Named returns a container in the CRI's namespace that declares the host's network.
func Named(id string, status inventory.Status, pid int) inventory.Container {
	return inventory.Container{
		ID: HexID(id), RuntimeName: runtimes.Containerd, RuntimeNamespace: "k8s.io", Name: id, Status: status, PID: pid,
		CgroupsPath: "/kubepods/" + HexID(id),
		Declared:    inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net}},
	}
}

// Outcome puts a snapshot into lines: each container with its status, the number of its
// processes and what is unknown of it.
func Outcome(s *snapshot.Snapshot) []string {
	var lines []string
	for _, c := range s.Containers {
		parts := []string{fmt.Sprintf("%s/%s %s %d", c.RuntimeNamespace, c.ID[:1], c.Status, len(c.Processes))}
		var gaps []string
		for _, gap := range c.Unread.Gaps {
			gaps = append(gaps, fmt.Sprintf("%s: %s", gap.Cause, gap.Detail))
		}
		if len(gaps) > 0 {
			parts = append(parts, strings.Join(gaps, "; "))
		}
		lines = append(lines, strings.Join(parts, " "))
	}
	return lines
}
