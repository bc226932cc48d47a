// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
)

// Bounds of what is asked at once.
const (
	// namespacesAtOnce is how many containerd namespaces are read at once.
	namespacesAtOnce = 4
	// recordsAtOnce is how many records are read at once where their list fails.
	recordsAtOnce = 8
)

// List returns all containers of all containerd namespaces. What one call could not read
// is a problem of the inventory; the error is for an inventory that could not be begun.
func (c *Client) List(ctx context.Context) (inventory.Inventory, []inventory.Container, error) {
	version, err := c.askVersion(ctx)
	if err != nil {
		return inventory.Inventory{}, nil, fmt.Errorf("ask containerd for its version: %w", err)
	}
	names, err := c.listNamespaces(ctx)
	if err != nil {
		return inventory.Inventory{}, nil, fmt.Errorf("list containerd's namespaces: %w", err)
	}
	c.decoded.retainNamespaces(names)
	inv := inventory.Inventory{Source: inventory.FromContainerd, Address: c.address, Version: version}
	var all []inventory.Container
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(namespacesAtOnce)
	for _, name := range names {
		group.Go(func() error {
			found, problems := c.listNamespace(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, found...)
			inv.Problems = append(inv.Problems, problems...)
			return nil
		})
	}
	_ = group.Wait() // No member fails: what it could not read is a problem.
	slices.Sort(inv.Problems)
	return inv, all, ctx.Err()
}

// listNamespace lists the containers of one containerd namespace. The tasks come first: a
// container that is started in between then has its record, and the missing task is
// noticed by its processes.
func (c *Client) listNamespace(ctx context.Context, name string) (found []inventory.Container, problems []string) {
	ctx = inNamespace(ctx, name)
	tasks, err := c.listTasks(ctx)
	if err != nil {
		problems = append(problems, fmt.Sprintf("list tasks of containerd namespace %s: %v", name, err))
	}
	records, err := c.listRecords(ctx, name)
	var bare []inventory.Container
	if err != nil {
		problems = append(problems, fmt.Sprintf("list containers of containerd namespace %s: %v", name, err))
		var more []decoded
		more, bare = c.readRecords(ctx, name, withoutRecord(tasks, records))
		records = append(records, more...)
	}
	var stored map[string]sandbox
	if name == runtimes.CRINamespace && lacksSandbox(records) {
		stored, err = c.storedSandboxes(ctx)
		if err != nil {
			problems = append(problems, fmt.Sprintf("list sandboxes of containerd namespace %s: %v", name, err))
		}
	}
	return append(assemble(records, tasks, stored), bare...), problems
}

// withoutRecord returns the tasks that are not among the records.
func withoutRecord(tasks map[string]task, records []decoded) map[string]task {
	missing := maps.Clone(tasks)
	for i := range records {
		delete(missing, records[i].ID)
	}
	return missing
}

// readRecords reads the records of tasks one by one: one that is too large ends the list of
// all, and may not hide the others. Bare are the containers whose record can't be read.
func (c *Client) readRecords(ctx context.Context, namespace string, tasks map[string]task) (records []decoded, bare []inventory.Container) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(recordsAtOnce)
	for id, state := range tasks {
		group.Go(func() error {
			record, err := c.readRecord(ctx, namespace, id)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				records = append(records, record)
			case !errors.Is(err, inventory.ErrNotFound):
				bare = append(bare, bareTask(namespace, id, state, err))
			}
			return nil
		})
	}
	_ = group.Wait() // No member fails: what it could not read is a bare container.
	return records, bare
}

// bareTask makes a container of a task whose record could not be read.
func bareTask(namespace, id string, state task, err error) inventory.Container {
	return inventory.Container{
		ID: id, RuntimeName: runtimes.Containerd, RuntimeNamespace: namespace,
		Status: state.status, PID: state.pid,
		Declared: inventory.NoDeclaration("its record could not be read: " + err.Error()),
	}
}

// lacksSandbox reports whether a container names a sandbox that has no pause container, as
// with sandboxers that run none.
func lacksSandbox(records []decoded) bool {
	known := make(map[string]bool)
	for i := range records {
		known[records[i].ID] = true
	}
	return slices.ContainsFunc(records, func(c decoded) bool {
		return c.SandboxID != "" && !known[c.SandboxID]
	})
}
