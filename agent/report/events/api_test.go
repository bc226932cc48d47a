// SPDX-License-Identifier: Apache-2.0

package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/rest"
)

var (
	eventKind     = schema.GroupKind{Group: "events.k8s.io", Kind: "Event"}
	eventResource = schema.GroupResource{Group: "events.k8s.io", Resource: "events"}
)

// apiServer is the part of the events API that a reporter may use, with the rules that the
// real one has for it. It is an http.Handler, and an http.RoundTripper for a client in the
// same bubble.
type apiServer struct {
	mu       sync.Mutex
	events   map[string]eventsv1.Event
	requests []request
	// refuse, if not nil, answers instead: with an error, or with nil to let it pass.
	refuse func(request) error
	// deaf lets requests be carried out but not answered, and delay answered late.
	deaf  bool
	delay time.Duration
	// lose counts down to the one request that is carried out but not answered.
	lose int
}

type request struct {
	Time            time.Time
	Verb, Namespace string
	Name            string
}

func newAPIServer() *apiServer { return &apiServer{events: make(map[string]eventsv1.Event)} }

func (a *apiServer) setRefuse(refuse func(request) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuse = refuse
}

func (a *apiServer) setDeaf(deaf bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deaf = deaf
}

// loseAfter lets one request be carried out but not answered, after this many others.
func (a *apiServer) loseAfter(others int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lose = others + 1
}

func (a *apiServer) put(event eventsv1.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events[event.Namespace+"/"+event.Name] = event
}

// expire forgets all Events.
func (a *apiServer) expire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.events)
}

// all returns the Events.
func (a *apiServer) all() map[string]eventsv1.Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.events)
}

// lines puts the Events into lines: namespace, what they are about, reason and count.
func (a *apiServer) lines() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string
	for _, event := range a.events {
		count := int32(1)
		if event.Series != nil {
			count = event.Series.Count
		}
		all = append(all, fmt.Sprintf("%s %s/%s %s ×%d", event.Namespace, event.Regarding.Kind, event.Regarding.Name, event.Reason, count))
	}
	return all
}

// verbs counts the requests.
func (a *apiServer) verbs() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	counts := make(map[string]int)
	for _, r := range a.requests {
		counts[r.Verb]++
	}
	return counts
}

// times returns when the requests with a verb came.
func (a *apiServer) times(verb string) []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	var times []time.Time
	for _, r := range a.requests {
		if r.Verb == verb {
			times = append(times, r.Time)
		}
	}
	return times
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	deaf, delay := a.deaf, a.delay
	event, err := a.handle(r)
	a.lose--
	deaf = deaf || a.lose == 0
	a.mu.Unlock()
	if deaf {
		<-r.Context().Done()
		return
	}
	time.Sleep(delay)
	w.Header().Set("Content-Type", "application/json")
	if err == nil {
		event.APIVersion, event.Kind = "events.k8s.io/v1", "Event"
		json.NewEncoder(w).Encode(event)
		return
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		panic(err)
	}
	body := status.Status()
	body.APIVersion, body.Kind = "v1", "Status"
	if body.Details != nil && body.Details.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(body.Details.RetryAfterSeconds)))
	}
	w.WriteHeader(int(body.Code))
	json.NewEncoder(w).Encode(body)
}

// RoundTrip answers without a network.
func (a *apiServer) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func (a *apiServer) handle(r *http.Request) (eventsv1.Event, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return eventsv1.Event{}, apierrors.NewBadRequest(err.Error())
	}
	// /apis/events.k8s.io/v1/namespaces/NAMESPACE/events[/NAME]
	parts := strings.Split(r.URL.Path, "/")
	made := request{Time: time.Now(), Verb: map[string]string{"POST": "create", "PATCH": "patch"}[r.Method], Namespace: parts[5]}
	if len(parts) > 7 {
		made.Name = parts[7]
	}
	a.requests = append(a.requests, made)
	if a.refuse != nil {
		if err := a.refuse(made); err != nil {
			return eventsv1.Event{}, err
		}
	}
	switch made.Verb {
	case "create":
		return a.create(body)
	case "patch":
		return a.patch(made, body)
	}
	return eventsv1.Event{}, apierrors.NewForbidden(eventResource, made.Name, errors.New("no such right"))
}

func (a *apiServer) create(body []byte) (eventsv1.Event, error) {
	var event eventsv1.Event
	if err := json.Unmarshal(body, &event); err != nil {
		return event, apierrors.NewBadRequest(err.Error())
	}
	if err := validate(&event); err != nil {
		return event, err
	}
	key := event.Namespace + "/" + event.Name
	if _, ok := a.events[key]; ok {
		return event, apierrors.NewAlreadyExists(eventResource, event.Name)
	}
	a.events[key] = event
	return event, nil
}

func (a *apiServer) patch(made request, body []byte) (eventsv1.Event, error) {
	key := made.Namespace + "/" + made.Name
	event, ok := a.events[key]
	if !ok {
		return event, apierrors.NewNotFound(eventResource, made.Name)
	}
	// A merge patch of one level is what decoding into the object does.
	if err := json.Unmarshal(body, &event); err != nil {
		return event, apierrors.NewBadRequest(err.Error())
	}
	if event.Series != nil && (event.Series.Count < 2 || event.Series.LastObservedTime.IsZero()) {
		return event, invalid(event.Name, "series", event.Series.Count)
	}
	a.events[key] = event
	return event, nil
}

func invalid(name, path string, value any) error {
	return apierrors.NewInvalid(eventKind, name, field.ErrorList{field.Invalid(field.NewPath(path), value, "is not allowed")})
}

// validate has the rules of k8s.io/kubernetes/pkg/apis/core/validation/events.go, and those
// of a path in a URL.
func validate(event *eventsv1.Event) error {
	ok := map[string]bool{
		"name":                len(validation.IsDNS1123Subdomain(event.Name)) == 0,
		"namespace":           len(validation.IsDNS1123Label(event.Namespace)) == 0,
		"eventTime":           !event.EventTime.IsZero(),
		"type":                event.Type == corev1.EventTypeNormal || event.Type == corev1.EventTypeWarning,
		"reportingController": len(validation.IsQualifiedName(event.ReportingController)) == 0,
		"reportingInstance":   event.ReportingInstance != "" && len(event.ReportingInstance) <= 128,
		"action":              event.Action != "" && len(event.Action) <= 128,
		"reason":              event.Reason != "" && len(event.Reason) <= 128,
		"note":                len(event.Note) <= 1024,
		"series":              event.Series == nil,
		"regarding": event.Regarding.Namespace == event.Namespace ||
			event.Regarding.Namespace == "" && event.Namespace == metav1.NamespaceDefault,
	}
	for path, ok := range ok {
		if !ok {
			return invalid(event.Name, path, event.Note)
		}
	}
	return nil
}

// clientTo is the real client of an API server.
func clientTo(t *testing.T, host string, transport http.RoundTripper) rest.Interface {
	t.Helper()
	client, err := NewClient(&rest.Config{Host: host, Transport: transport, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
