// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"context"
	"errors"
	"fmt"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
)

// Get returns one container as containerd knows it now. ErrNotFound reports that there is
// no such container; a container whose task can't be asked for, as with a hung shim, has
// the status Unknown.
func (c *Client) Get(ctx context.Context, key inventory.Key) (inventory.Container, error) {
	if key.RuntimeName != runtimes.Containerd {
		return inventory.Container{}, fmt.Errorf("get container %s of runtime %q: %w", key.ID, key.RuntimeName, inventory.ErrNotFound)
	}
	ctx = inNamespace(ctx, key.RuntimeNamespace)
	record, err := c.readRecord(ctx, key.RuntimeNamespace, key.ID)
	if err != nil {
		return inventory.Container{}, fmt.Errorf("get container %s: %w", key.ID, err)
	}
	records := []decoded{record}
	var stored map[string]sandbox
	if record.SandboxID != "" && !record.Sandbox {
		pause, err := c.readRecord(ctx, key.RuntimeNamespace, record.SandboxID)
		switch {
		case err == nil:
			records = append(records, pause)
		case !errors.Is(err, inventory.ErrNotFound):
			return inventory.Container{}, fmt.Errorf("get sandbox %s: %w", record.SandboxID, err)
		default:
			if stored, err = c.storedSandboxes(ctx); err != nil {
				return inventory.Container{}, fmt.Errorf("list sandboxes: %w", err)
			}
		}
	}
	state, err := c.readTask(ctx, key.ID)
	if err != nil {
		return inventory.Container{}, err
	}
	return assemble(records, map[string]task{key.ID: state}, stored)[0], nil
}
