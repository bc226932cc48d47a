// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"context"
	"errors"
	"fmt"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// task is the state of a container's task.
type task struct {
	status inventory.Status
	pid    int
}

// listTasks lists the tasks by container id.
func (c *Client) listTasks(ctx context.Context) (map[string]task, error) {
	ctx, cancel := context.WithTimeout(ctx, tasksTimeout)
	defer cancel()
	response, err := c.tasks.List(ctx, &tasksapi.ListTasksRequest{})
	if err != nil {
		return nil, errgrpc.ToNative(err)
	}
	tasks := make(map[string]task, len(response.GetTasks()))
	for _, process := range response.GetTasks() {
		// The list leaves ContainerID empty: a task's id is its container's.
		tasks[process.GetID()] = taskOf(process)
	}
	return tasks, nil
}

// readTask asks for one task. A shim that does not answer is the status Unknown, not an
// error.
func (c *Client) readTask(ctx context.Context, id string) (task, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	response, err := c.tasks.Get(ctx, &tasksapi.GetRequest{ContainerID: id})
	switch err = errgrpc.ToNative(err); {
	case errdefs.IsNotFound(err):
		return task{status: inventory.NoTask}, nil
	case errdefs.IsDeadlineExceeded(err), errors.Is(err, context.DeadlineExceeded), errdefs.IsUnavailable(err):
		return task{status: inventory.Unknown}, nil
	case err != nil:
		return task{}, fmt.Errorf("get task %s: %w", id, err)
	}
	return taskOf(response.GetProcess()), nil
}

func taskOf(process *tasktypes.Process) task {
	return task{status: statusOf(process.GetStatus()), pid: int(process.GetPid())}
}

func statusOf(status tasktypes.Status) inventory.Status {
	switch status {
	case tasktypes.Status_CREATED:
		return inventory.Created
	case tasktypes.Status_RUNNING:
		return inventory.Running
	case tasktypes.Status_STOPPED:
		return inventory.Stopped
	case tasktypes.Status_PAUSED:
		return inventory.Paused
	case tasktypes.Status_PAUSING:
		return inventory.Pausing
	default:
		return inventory.Unknown
	}
}
