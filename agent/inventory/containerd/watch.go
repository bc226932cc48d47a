package containerd

import (
	"context"
	"errors"
	"fmt"

	eventsapi "github.com/containerd/containerd/api/events"
	"github.com/containerd/containerd/v2/core/events"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/typeurl/v2"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// taskChanges are the topics of tasks that start and end. One subscription sees all of
// containerd's namespaces.
const taskChanges = `topic~="^/tasks/(start|exit|delete)$"`

// errStreamEnded is the end of a stream that containerd gave no reason for.
var errStreamEnded = errors.New("containerd ended its event stream")

// Watch calls changed for each container whose task started or ended, until the stream
// breaks, as it does when containerd restarts, or the context ends. Nothing is told of what
// happened before: look at all containers once subscribed was called.
func (c *Client) Watch(ctx context.Context, subscribed func(), changed func(inventory.Key)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, errs := c.client.EventService().Subscribe(ctx, taskChanges)
	// The first answer of another call shows that containerd is there: a subscription
	// itself is not answered before something happens.
	if _, err := c.version(ctx); err != nil {
		return fmt.Errorf("subscribe to containerd's events: %w", err)
	}
	subscribed()
	for {
		select {
		case envelope := <-stream:
			if id, ok := containerOf(envelope); ok {
				changed(inventory.Key{RuntimeName: inventory.Containerd, RuntimeNamespace: envelope.Namespace, ID: id})
			}
		case err := <-errs:
			if err == nil {
				err = errStreamEnded
			}
			return fmt.Errorf("watch containerd's events: %w", errgrpc.ToNative(err))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// containerOf returns the container whose task an event is about. The end of a process that
// was started in a container later is reported like that of its init process.
func containerOf(envelope *events.Envelope) (id string, ok bool) {
	event, err := typeurl.UnmarshalAny(envelope.Event)
	if err != nil {
		return "", false // A form that this nsaudit does not know: the next full scan sees what it did.
	}
	switch event := event.(type) {
	case *eventsapi.TaskStart:
		return event.GetContainerID(), true
	case *eventsapi.TaskExit:
		return event.GetContainerID(), event.GetID() == event.GetContainerID()
	case *eventsapi.TaskDelete:
		return event.GetContainerID(), event.GetID() == event.GetContainerID() || event.GetID() == ""
	}
	return "", false
}
