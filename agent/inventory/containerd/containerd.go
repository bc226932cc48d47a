package containerd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"golang.org/x/sync/errgroup"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
)

// Deadlines of the calls.
const (
	// callTimeout is for calls that containerd answers from its database.
	callTimeout = 5 * time.Second
	// tasksTimeout is for the task list, in which containerd waits 2 s for each hung
	// shim, one after another.
	tasksTimeout = 30 * time.Second
	// parallel is how many containerd namespaces are read at once.
	parallel = 4
)

// Containerd is a connection to containerd.
type Client struct {
	client  *containerd.Client
	address string
}

// Connect opens a connection to the containerd that listens on this socket, an absolute
// path. It fails within callTimeout if nothing answers there.
func Connect(ctx context.Context, address string) (*Client, error) {
	client, err := containerd.New(address, containerd.WithTimeout(callTimeout))
	if err != nil {
		return nil, fmt.Errorf("connect to containerd at %s: %w", address, err)
	}
	c := &Client{client: client, address: address}
	if _, err := c.version(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to containerd at %s: %w", address, err), client.Close())
	}
	return c, nil
}

// Address returns the socket.
func (c *Client) Address() string { return c.address }

// Close ends the connection.
func (c *Client) Close() error { return c.client.Close() }

// List returns all containers of all containerd namespaces. What one call could not read
// is a problem of the inventory; the error is for an inventory that could not be begun.
func (c *Client) List(ctx context.Context) (inventory.Inventory, []inventory.Container, error) {
	version, err := c.version(ctx)
	if err != nil {
		return inventory.Inventory{}, nil, fmt.Errorf("ask containerd for its version: %w", err)
	}
	names, err := c.namespaces(ctx)
	if err != nil {
		return inventory.Inventory{}, nil, fmt.Errorf("list containerd's namespaces: %w", err)
	}
	inv := inventory.Inventory{Source: inventory.FromContainerd, Address: c.address, Version: version}
	var all []inventory.Container
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(parallel)
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
	ctx = namespaces.WithNamespace(ctx, name)
	tasks, err := c.tasks(ctx)
	if err != nil {
		problems = append(problems, fmt.Sprintf("list tasks of containerd namespace %s: %v", name, err))
	}
	records, err := c.containers(ctx)
	if err != nil {
		problems = append(problems, fmt.Sprintf("list containers of containerd namespace %s: %v", name, err))
		return bareTasks(name, tasks), problems
	}
	var stored map[string]sandbox
	if name == runtimes.CRINamespace && lacksSandbox(records) {
		stored, err = c.storedSandboxes(ctx)
		if err != nil {
			problems = append(problems, fmt.Sprintf("list sandboxes of containerd namespace %s: %v", name, err))
		}
	}
	return assemble(name, records, tasks, stored), problems
}

// bareTasks makes containers of tasks whose records could not be read.
func bareTasks(namespace string, tasks map[string]task) []inventory.Container {
	result := make([]inventory.Container, 0, len(tasks))
	for id, state := range tasks {
		result = append(result, inventory.Container{
			ID: id, RuntimeName: inventory.Containerd, RuntimeNamespace: namespace, Status: state.status, PID: state.pid,
			Declared: inventory.NoDeclaration("its record could not be read"),
		})
	}
	return result
}

// lacksSandbox says whether a container names a sandbox that has no pause container, as
// with sandboxers that run none.
func lacksSandbox(records []containers.Container) bool {
	known := make(map[string]bool)
	for i := range records {
		known[records[i].ID] = true
	}
	return slices.ContainsFunc(records, func(r containers.Container) bool {
		return r.SandboxID != "" && !known[r.SandboxID]
	})
}

// Get returns one container as containerd knows it now. ErrNotFound reports that there is
// no such container; a container whose task can't be asked for, as with a hung shim, has
// the status Unknown.
func (c *Client) Get(ctx context.Context, key inventory.Key) (inventory.Container, error) {
	ctx = namespaces.WithNamespace(ctx, key.RuntimeNamespace)
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	record, err := c.client.ContainerService().Get(call, key.ID)
	if errdefs.IsNotFound(err) {
		err = inventory.ErrNotFound
	}
	if err != nil {
		return inventory.Container{}, fmt.Errorf("get container %s: %w", key.ID, err)
	}
	records := []containers.Container{record}
	var stored map[string]sandbox
	if box := sandboxOf(key.RuntimeNamespace, &record); box != "" {
		sandboxRecord, err := c.client.ContainerService().Get(call, box)
		switch {
		case err == nil:
			records = append(records, sandboxRecord)
		case !errdefs.IsNotFound(err):
			return inventory.Container{}, fmt.Errorf("get sandbox %s: %w", box, err)
		default:
			if stored, err = c.storedSandboxes(ctx); err != nil {
				return inventory.Container{}, fmt.Errorf("list sandboxes: %w", err)
			}
		}
	}
	state, err := c.task(ctx, key.ID)
	if err != nil {
		return inventory.Container{}, err
	}
	return assemble(key.RuntimeNamespace, records, map[string]task{key.ID: state}, stored)[0], nil
}

// sandboxOf returns the sandbox that a record names, if it is another container.
func sandboxOf(namespace string, record *containers.Container) string {
	container := decodeRecord(namespace, record)
	if container.Sandbox {
		return ""
	}
	return container.SandboxID
}

// task asks for one task. Its shim's silence is the status Unknown, not an error.
func (c *Client) task(ctx context.Context, id string) (task, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	response, err := c.client.TaskService().Get(ctx, &tasksapi.GetRequest{ContainerID: id})
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

func (c *Client) version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	version, err := c.client.Version(ctx)
	return clip(version.Version), err
}

func (c *Client) namespaces(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.client.NamespaceService().List(ctx)
}

func (c *Client) containers(ctx context.Context) ([]containers.Container, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.client.ContainerService().List(ctx)
}

// storedSandboxes reads 2.x's sandbox store; older containerds have none.
func (c *Client) storedSandboxes(ctx context.Context) (map[string]sandbox, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := c.client.SandboxStore().List(ctx)
	if errdefs.IsNotImplemented(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	stored := make(map[string]sandbox, len(list))
	for _, entry := range list {
		metadata, err := decodeCRI(value(entry.Extensions[extensionCtrStore]))
		if err != nil {
			continue // Its containers then say that their sandbox has no record.
		}
		stored[entry.ID] = sandbox{metadata.Metadata.Config.pod(), metadata.Metadata.Config.declaration()}
	}
	return stored, nil
}

// tasks lists the tasks by container id.
func (c *Client) tasks(ctx context.Context) (map[string]task, error) {
	ctx, cancel := context.WithTimeout(ctx, tasksTimeout)
	defer cancel()
	response, err := c.client.TaskService().List(ctx, &tasksapi.ListTasksRequest{})
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
