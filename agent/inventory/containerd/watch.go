// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"context"
	"errors"
	"fmt"
	"io"

	eventtypes "github.com/containerd/containerd/api/events"
	eventsapi "github.com/containerd/containerd/api/services/events/v1"
	"github.com/containerd/containerd/api/types"
	"github.com/containerd/errdefs/pkg/errgrpc"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
)

// taskChanges are the topics of tasks that start and end, and of programs that are started in one. One
// subscription sees all of containerd's namespaces.
const taskChanges = `topic~="^/tasks/(start|exit|delete|exec-started)$"`

// errStreamEnded is for a stream that containerd ended without an error.
var errStreamEnded = errors.New("containerd ended its event stream")

// Watch calls changed for each container whose task started or ended, or in which a program was
// started, until the stream breaks, as it does when containerd restarts, or the context ends. It does not report what
// happened before: list all containers once subscribed was called.
func (c *Client) Watch(ctx context.Context, subscribed func(), changed func(inventory.Key, inventory.Change)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // It ends the stream.
	stream, err := c.events.Subscribe(ctx, &eventsapi.SubscribeRequest{Filters: []string{taskChanges}})
	if err != nil {
		return fmt.Errorf("subscribe to containerd's events: %w", errgrpc.ToNative(err))
	}
	// The first answer of another call shows that containerd is there: a subscription itself
	// is not answered before something happens.
	if _, err := c.askVersion(ctx); err != nil {
		return fmt.Errorf("subscribe to containerd's events: %w", err)
	}
	subscribed()
	for {
		envelope, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return errStreamEnded
		case err != nil:
			return fmt.Errorf("watch containerd's events: %w", errgrpc.ToNative(err))
		}
		if id, change, ok := changeOf(envelope); ok {
			changed(inventory.Key{RuntimeName: runtimes.Containerd, RuntimeNamespace: envelope.GetNamespace(), ID: id}, change)
		}
	}
}

// changeOf returns the container whose task an event is about, and what happened to it. The end of a
// process that was started in a container later is reported like that of its init process.
func changeOf(envelope *types.Envelope) (id string, change inventory.Change, ok bool) {
	event, err := envelope.GetEvent().UnmarshalNew()
	if err != nil {
		return "", 0, false // A form that this nsaudit does not know: the next full scan sees what it did.
	}
	switch event := event.(type) {
	case *eventtypes.TaskStart:
		return event.GetContainerID(), inventory.Started, true
	case *eventtypes.TaskExecStarted:
		return event.GetContainerID(), inventory.Entered, true
	case *eventtypes.TaskExit:
		return event.GetContainerID(), inventory.Ended, event.GetID() == event.GetContainerID()
	case *eventtypes.TaskDelete:
		return event.GetContainerID(), inventory.Ended, event.GetID() == event.GetContainerID() || event.GetID() == ""
	}
	return "", 0, false
}
