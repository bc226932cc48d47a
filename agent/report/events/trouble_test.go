// SPDX-License-Identifier: Apache-2.0

package events

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestRefused keeps Events until the API server takes them.
func TestRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		want []string
	}{
		"unauthorized": {apierrors.NewUnauthorized("who?"), []string{"token"}},
		"forbidden":    {apierrors.NewForbidden(eventResource, "", errors.New("no")), []string{"forbidden", "grant", "create and patch on events"}},
		"too many":     {apierrors.NewTooManyRequestsError("slow down"), []string{"slow down"}},
		"conflict":     {apierrors.NewConflict(eventResource, "", errors.New("try again")), []string{"try again"}},
		"internal":     {apierrors.NewInternalError(errors.New("etcd")), []string{"etcd"}},
		"unavailable":  {apierrors.NewServiceUnavailable("starting"), []string{"starting"}},
		"no such API":  {apierrors.NewGenericServerResponse(http.StatusNotFound, "POST", eventResource, "", "404", 0, true), []string{"could not find"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := serve(t)
			api.setRefuse(func(request) error { return test.err })
			agent := newAgent(t, client)
			agent.run(t)
			agent.Publish(nodeOf(hostNet("a"), bare("b", inHostNet(12, "sh"))))
			eventually(t, "some attempts", func() bool { return agent.sentResults()[Failed] > 3 })
			if agent.Pending() != 2 {
				t.Errorf("%d are pending, want 2", agent.Pending())
			}
			err := agent.Err()
			for _, want := range append(test.want, "create events.events.k8s.io in namespace") {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the problem is %v, without %q", err, want)
				}
			}
			api.setRefuse(nil)
			agent.wantEvents(t, api, podEvent+"1", "default Node/node-1 UndeclaredHostNetwork ×1")
			if err := agent.Err(); err != nil {
				t.Errorf("there is still a problem: %v", err)
			}
			want := "level=WARN msg=\"Events are not delivered: they are kept and retried\"\n" +
				"level=INFO msg=\"Events are delivered again\"\n"
			if diff := cmp.Diff(want, agent.logged()); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
		})
	}
}

func TestServerAway(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	agent := newAgent(t, clientTo(t, "http://"+address, transport))
	agent.run(t)
	agent.Publish(nodeOf(hostNet("a")))
	eventually(t, "an attempt", func() bool { return agent.sentResults()[Failed] > 0 })
	if err := agent.Err(); err == nil || !strings.Contains(err.Error(), "check that the agent can reach the API server") {
		t.Errorf("the problem is %v", err)
	}
	api := newAPIServer()
	server := httptest.NewUnstartedServer(api)
	server.Listener.Close()
	if server.Listener, err = net.Listen("tcp", address); err != nil {
		t.Fatalf("another process took the port: %v", err)
	}
	server.Start()
	t.Cleanup(server.Close)
	agent.wantEvents(t, api, podEvent+"1")
}

// TestNoPlace is about Events that can't be kept with their pod.
func TestNoPlace(t *testing.T) {
	t.Parallel()
	terminating := apierrors.NewForbidden(eventResource, "", errors.New("namespace apps is being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	missing := apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "apps")
	onNode := "default Node/node-1 UndeclaredHostNetwork ×1"
	squatted := "apps / Pulled ×1"
	everywhere := func(error) func(request) error {
		return func(request) error { return invalid("x", "note", "") }
	}
	inApps := func(err error) func(request) error {
		return func(r request) error {
			if r.Namespace == "apps" {
				return err
			}
			return nil
		}
	}
	tests := map[string]struct {
		refuse  func(request) error
		squat   []place
		events  []string
		results map[Result]int
		log     string
	}{
		"the namespace is being deleted": {
			refuse: inApps(terminating), results: map[Result]int{Failed: 1, Created: 1},
			events: []string{onNode},
			log:    "level=INFO msg=\"The event goes to the node: its namespace is being deleted\"\n",
		},
		"there is no such namespace": {
			refuse: inApps(missing), events: []string{onNode}, results: map[Result]int{Failed: 1, Created: 1},
			log: "level=WARN msg=\"The event goes to the node: it can't be kept with its pod\"\n",
		},
		"the name is taken": {
			squat:  []place{{namespace: "apps"}},
			events: []string{squatted, onNode}, results: map[Result]int{Failed: 1, Created: 1},
			log: "level=WARN msg=\"The event goes to the node: it can't be kept with its pod\"\n",
		},
		"the name is taken everywhere": {
			squat:  []place{{namespace: "apps"}, {namespace: "default"}},
			events: []string{squatted, "default / Pulled ×1"}, results: map[Result]int{Failed: 1, Rejected: 1},
			log: "level=WARN msg=\"The event goes to the node: it can't be kept with its pod\"\n" +
				"level=ERROR msg=\"No event: the API server rejects it\"\n",
		},
		"invalid": {
			refuse: everywhere(nil), results: map[Result]int{Rejected: 1},
			log: "level=ERROR msg=\"No event: the API server rejects it\"\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := serve(t)
			api.setRefuse(test.refuse)
			node := nodeOf(hostNet("a"))
			for _, at := range test.squat {
				about := map[string]string{"apps": "web", "default": nodeName}[at.namespace]
				taken := eventsv1.Event{Reason: "Pulled", EventTime: metav1.NowMicro()}
				taken.Namespace, taken.Name = at.namespace, objectName(about, eventsOf(node, Warnings)[0].key)
				api.put(taken)
			}
			agent := newAgent(t, client)
			agent.run(t)
			agent.Publish(node)
			agent.wantEvents(t, api, test.events...)
			if diff := cmp.Diff(test.results, agent.sentResults()); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.log, agent.logged()); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
			if err := agent.Err(); err != nil {
				t.Errorf("there is a problem: %v", err)
			}
		})
	}
}
