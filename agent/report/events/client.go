// SPDX-License-Identifier: Apache-2.0

package events

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// requestTimeout bounds one request. It includes the time that the client's rate limit
// makes it wait.
const requestTimeout = 10 * time.Second

// errForeign reports that an Event that is not the agent's has the name.
var errForeign = errors.New("the name is taken by an event that is not the agent's")

// delivery is one occurrence of an Event to send.
type delivery struct {
	event *eventsv1.Event
	// count is how many occurrences the API server has, as far as is known.
	count int32
	// seen is when the finding was seen last, and container where.
	seen      time.Time
	container inventory.Key
	// free: it takes no token.
	free bool
}

// client sends Events with the verbs create and patch alone. It leaves all retries to the queue:
// one that waits for its next attempt must not keep a worker.
type client struct {
	rest rest.Interface
}

// deliver sends an occurrence, and returns how many the API server has then, as far as is known.
func (c client) deliver(ctx context.Context, d delivery) (int32, Result, error) {
	if d.count == 0 {
		return c.introduce(ctx, d)
	}
	count, result, err := c.refresh(ctx, d, d.count+1)
	if !apierrors.IsNotFound(err) {
		return count, result, err
	}
	// It has expired. The new one gets the current time: it would look old otherwise.
	d.event.EventTime = microTime(d.seen)
	return c.introduce(ctx, d)
}

// introduce creates an Event, or continues the one that exists.
func (c client) introduce(ctx context.Context, d delivery) (int32, Result, error) {
	err := c.create(ctx, d.event)
	if err == nil {
		return 1, Created, nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return 0, Failed, err
	}
	existing, err := c.read(ctx, d.event)
	if err != nil {
		return 0, Failed, err
	}
	count := int32(1)
	if existing.Series != nil {
		count = existing.Series.Count
	}
	// An earlier request made it, whose answer was lost.
	if existing.EventTime.Equal(&d.event.EventTime) {
		return count, Created, nil
	}
	refreshed, result, err := c.refresh(ctx, d, count+1)
	if err != nil {
		// The answer may be lost alone: the next attempt must not count the same occurrence again.
		return count, result, err
	}
	return refreshed, result, nil
}

func (c client) create(ctx context.Context, event *eventsv1.Event) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := c.rest.Post().MaxRetries(0).Namespace(event.Namespace).Resource(resource).Body(event).Do(ctx).Error(); err != nil {
		return &deliveryError{verb: "create", namespace: event.Namespace, err: err}
	}
	return nil
}

// read gets an Event without the right to get: an empty patch changes nothing and is
// answered with the object.
func (c client) read(ctx context.Context, event *eventsv1.Event) (*eventsv1.Event, error) {
	return c.patch(ctx, event, struct{}{})
}

// refresh sets an Event's series, which restarts its time to live.
func (c client) refresh(ctx context.Context, d delivery, count int32) (int32, Result, error) {
	type metadata struct {
		Annotations map[string]string `json:"annotations,omitempty"` // A rule may have changed the severity.
	}
	type patch struct {
		Metadata metadata             `json:"metadata"`
		Series   eventsv1.EventSeries `json:"series"`
	}
	series := eventsv1.EventSeries{Count: count, LastObservedTime: microTime(d.seen)}
	if _, err := c.patch(ctx, d.event, patch{metadata{d.event.Annotations}, series}); err != nil {
		return 0, Failed, err
	}
	return count, Refreshed, nil
}

func (c client) patch(ctx context.Context, event *eventsv1.Event, patch any) (*eventsv1.Event, error) {
	data, err := json.Marshal(patch)
	if err != nil {
		return nil, &deliveryError{verb: "patch", namespace: event.Namespace, err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	patched := new(eventsv1.Event)
	err = c.rest.Patch(types.MergePatchType).MaxRetries(0).Namespace(event.Namespace).Resource(resource).Name(event.Name).Body(data).Do(ctx).Into(patched)
	if err == nil && !isSame(patched, event) {
		err = errForeign
	}
	if err != nil {
		return nil, &deliveryError{verb: "patch", namespace: event.Namespace, err: err}
	}
	return patched, nil
}

// microTime returns a time as the API server keeps it.
func microTime(t time.Time) metav1.MicroTime {
	return metav1.NewMicroTime(t.Truncate(time.Microsecond))
}

// isSame reports whether what has the Event's name is the Event. An attacker who may create
// Events in a pod's namespace could take the name first, to hide the finding.
func isSame(found, event *eventsv1.Event) bool {
	return found.ReportingController == event.ReportingController &&
		found.Reason == event.Reason &&
		found.Type == event.Type &&
		found.Regarding.Kind == event.Regarding.Kind &&
		found.Regarding.Name == event.Regarding.Name &&
		found.Regarding.UID == event.Regarding.UID &&
		found.Regarding.FieldPath == event.Regarding.FieldPath &&
		(found.Series == nil || found.Series.Count < maxCount)
}

// maxCount is more occurrences than an agent sends of one Event. A series that is near the end of
// its type could not be continued.
const maxCount = 1 << 30
