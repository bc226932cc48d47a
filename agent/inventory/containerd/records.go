// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"context"
	"errors"
	"io"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	sandboxapi "github.com/containerd/containerd/api/services/sandbox/v1"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// listRecords reads and decodes the records of a containerd namespace, as a stream: a list in
// one message would have to fit into maxMessage. With an error come the records before it.
func (c *Client) listRecords(ctx context.Context, namespace string) ([]inventory.Container, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	stream, err := c.containers.ListStream(ctx, &containersapi.ListContainersRequest{})
	if err != nil {
		return nil, errgrpc.ToNative(err)
	}
	var records []inventory.Container
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			c.decoded.retain(namespace, records)
			return records, nil
		}
		if err != nil {
			return records, errgrpc.ToNative(err)
		}
		records = append(records, c.decoded.decode(namespace, message.GetContainer()))
	}
}

// readRecord reads and decodes one record. ErrNotFound reports that there is none.
func (c *Client) readRecord(ctx context.Context, namespace, id string) (inventory.Container, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	response, err := c.containers.Get(ctx, &containersapi.GetContainerRequest{ID: id})
	switch err = errgrpc.ToNative(err); {
	case errdefs.IsNotFound(err):
		c.decoded.forget(namespace, id)
		return inventory.Container{}, inventory.ErrNotFound
	case err != nil:
		return inventory.Container{}, err
	}
	return c.decoded.decode(namespace, response.GetContainer()), nil
}

// storedSandboxes reads 2.x's sandbox store; older containerds have none.
func (c *Client) storedSandboxes(ctx context.Context) (map[string]sandbox, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	response, err := c.sandboxes.List(ctx, &sandboxapi.StoreListRequest{})
	switch err = errgrpc.ToNative(err); {
	case errdefs.IsNotImplemented(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	stored := make(map[string]sandbox, len(response.GetList()))
	for _, entry := range response.GetList() {
		metadata, err := decodeCRI(entry.GetExtensions()[extensionCtrStore].GetValue())
		if err != nil {
			continue // Its containers then say that their sandbox has no record.
		}
		stored[entry.GetSandboxID()] = sandbox{metadata.Metadata.Config.pod(), metadata.Metadata.Config.declaration()}
	}
	return stored, nil
}
