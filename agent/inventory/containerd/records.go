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
func (c *Client) listRecords(ctx context.Context, namespace string) ([]decoded, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	stream, err := c.containers.ListStream(ctx, &containersapi.ListContainersRequest{})
	if err != nil {
		return nil, errgrpc.ToNative(err)
	}
	var records []decoded
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
func (c *Client) readRecord(ctx context.Context, namespace, id string) (decoded, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	response, err := c.containers.Get(ctx, &containersapi.GetContainerRequest{ID: id})
	switch err = errgrpc.ToNative(err); {
	case errdefs.IsNotFound(err):
		c.decoded.forget(namespace, id)
		return decoded{}, inventory.ErrNotFound
	case err != nil:
		return decoded{}, err
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
		config := &metadata.Metadata.Config
		stored[entry.GetSandboxID()] = sandbox{config.pod(), config.declaration(), decodeSandboxRequest(entry.GetExtensions()[extensionCtrStore].GetValue())}
	}
	return stored, nil
}
