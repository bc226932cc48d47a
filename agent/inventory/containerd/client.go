// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	eventsapi "github.com/containerd/containerd/api/services/events/v1"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
	sandboxapi "github.com/containerd/containerd/api/services/sandbox/v1"
	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	versionapi "github.com/containerd/containerd/api/services/version/v1"
	"github.com/containerd/errdefs/pkg/errgrpc"
)

// Deadlines of the calls.
const (
	// callTimeout is for calls that containerd answers from its database.
	callTimeout = 5 * time.Second
	// tasksTimeout is for the task list, in which containerd waits 2 s for each hung
	// shim, one after another.
	tasksTimeout = 30 * time.Second
)

// Client is a connection to containerd.
type Client struct {
	conn    *grpc.ClientConn
	address string
	decoded *recordCache

	version    versionapi.VersionClient
	namespaces namespacesapi.NamespacesClient
	containers containersapi.ContainersClient
	sandboxes  sandboxapi.StoreClient
	tasks      tasksapi.TasksClient
	events     eventsapi.EventsClient
}

// Connect opens a connection to the containerd that listens on this socket, an absolute
// path. It fails within callTimeout if nothing answers there.
func Connect(ctx context.Context, address string) (*Client, error) {
	conn, err := dial(address)
	if err != nil {
		return nil, fmt.Errorf("connect to containerd at %s: %w", address, err)
	}
	c := &Client{
		conn:       conn,
		address:    address,
		decoded:    newRecordCache(),
		version:    versionapi.NewVersionClient(conn),
		namespaces: namespacesapi.NewNamespacesClient(conn),
		containers: containersapi.NewContainersClient(conn),
		sandboxes:  sandboxapi.NewStoreClient(conn),
		tasks:      tasksapi.NewTasksClient(conn),
		events:     eventsapi.NewEventsClient(conn),
	}
	if _, err := c.askVersion(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to containerd at %s: %w", address, err), conn.Close())
	}
	return c, nil
}

// Address returns the socket.
func (c *Client) Address() string { return c.address }

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

func (c *Client) askVersion(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	response, err := c.version.Version(ctx, &emptypb.Empty{})
	return clip(response.GetVersion()), errgrpc.ToNative(err)
}

func (c *Client) listNamespaces(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	response, err := c.namespaces.List(ctx, &namespacesapi.ListNamespacesRequest{})
	if err != nil {
		return nil, errgrpc.ToNative(err)
	}
	names := make([]string, 0, len(response.GetNamespaces()))
	for _, namespace := range response.GetNamespaces() {
		names = append(names, namespace.GetName())
	}
	return names, nil
}
