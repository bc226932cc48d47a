// SPDX-License-Identifier: Apache-2.0

//go:build integration

package events_test

import (
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
)

// nextRefresh is when an Event has been refreshed that is twice a minute.
const nextRefresh = time.Minute

// testDeleted deletes Events by hand: they come back with the next refresh.
func testDeleted(t *testing.T, s *scene) {
	a := s.start(t, everyMinute)
	a.see(s.pods("deleted", 5)...)
	a.settle(t)
	for _, event := range s.list(t) {
		if err := s.all.Events(event.Namespace).Delete(t.Context(), event.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	eventually.Equal(t, nextRefresh, "events", len(a.seen), func() int { return len(s.list(t)) })
	s.count(t, a.seen, false)
}

// testNamespaceDeleted deletes the namespace of pods that the node still runs. From when it is being deleted, their
// Events go to the node.
func testNamespaceDeleted(t *testing.T, s *scene) {
	const blocker = `
apiVersion: v1
kind: ConfigMap
metadata: {name: blocker, finalizers: [faults.nsaudit.io/hold]}
`
	a := s.start(t, everyMinute)
	before, during := s.pods("before", 5), s.pods("during", 5)
	a.see(before...)
	a.settle(t)
	kindtest.Apply(t, s.namespace, blocker)
	kindtest.Do(t, "delete", "namespace", s.namespace, "--wait=false")
	a.see(append(before, during...)...)
	eventually.Equal(t, nextRefresh, "events about the node", len(a.seen), func() int { return s.onNode(t) })
	kindtest.Do(t, "patch", "configmap", "-n", s.namespace, "blocker", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	eventually.Equal(t, time.Minute, "the namespace", "", func() string {
		return kindtest.Do(t, "get", "namespace", s.namespace, "--ignore-not-found", "-o", "name")
	})
	after := s.pods("after", 5)
	a.see(append(before, append(during, after...)...)...)
	a.settle(t)
	s.count(t, a.seen, false)
	a.see()
	a.settle(t)
	s.count(t, a.seen, true)
	if got, want := s.onNode(t), 2*len(a.seen); got != want {
		t.Errorf("%d events about the node, want all %d", got, want)
	}
}

// onNode counts the Events about the node.
func (s *scene) onNode(t *testing.T) int {
	t.Helper()
	n := 0
	for _, event := range s.list(t) {
		if event.Namespace == metav1.NamespaceDefault && event.Regarding.Kind == "Node" {
			n++
		}
	}
	return n
}

// testForeign has another controller that has taken the names of the Events: they go to the node, and that one's stay as
// they were.
func testForeign(t *testing.T, s *scene) {
	pods := s.pods("foreign", 5)
	// The names are learnt from an agent whose Events are then deleted.
	a := s.start(t, nil)
	a.see(pods...)
	a.settle(t)
	a.kill()
	<-a.gone
	foreign := make(map[string]string)
	for _, event := range s.list(t) {
		if err := s.all.Events(event.Namespace).Delete(t.Context(), event.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{event.Name, event.Name + ".ended"} {
			taken, err := s.all.Events(s.namespace).Create(t.Context(), &eventsv1.Event{
				ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, EventTime: metav1.NowMicro(),
				ReportingController: "example.com/other", ReportingInstance: "other", Action: "Other", Reason: "Other", Type: "Normal",
				Regarding: event.Regarding, Note: "This is another controller's.",
			}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			foreign[name] = taken.ResourceVersion
		}
	}
	a = s.start(t, everyMinute)
	a.see(pods...)
	a.settle(t)
	time.Sleep(nextRefresh / 2)
	s.count(t, a.seen, false)
	a.see()
	a.settle(t)
	s.count(t, a.seen, true)
	for _, event := range s.list(t) {
		if event.Regarding.Kind != "Node" {
			t.Errorf("%s is about a %s", event.Name, event.Regarding.Kind)
		}
	}
	for name, version := range foreign {
		event, err := s.all.Events(s.namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if event.ResourceVersion != version {
			t.Errorf("the other controller's event %s was changed", name)
		}
	}
}
