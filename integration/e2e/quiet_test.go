// SPDX-License-Identifier: Apache-2.0

//go:build integration

package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	eventsv1 "k8s.io/api/events/v1"

	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
)

// controller is the reportingController of the agent's Events.
const controller = "nsaudit.io/agent"

// removeNsaudit removes what earlier deployments and demos have left, so that the agent finds what it would in a fresh cluster.
func removeNsaudit(t *testing.T) {
	t.Helper()
	for _, namespace := range []string{"nsaudit-demo", "nsaudit"} {
		kindtest.Do(t, "delete", "namespace", namespace, "--ignore-not-found", "--timeout=55s")
	}
	kindtest.Do(t, "delete", "events", "-A", "--field-selector", "reportingComponent="+controller)
}

// nsauditEvents returns the Events from the agents and those about anything of nsaudit's, of all namespaces.
func nsauditEvents(t *testing.T) []eventsv1.Event {
	t.Helper()
	var list eventsv1.EventList
	decode(t, kindtest.Do(t, "get", "events.v1.events.k8s.io", "-A", "-o", "json"), &list)
	return slices.DeleteFunc(list.Items, func(event eventsv1.Event) bool {
		about := event.Regarding.Namespace == "nsaudit" || event.Regarding.Name == "nsaudit" || strings.HasPrefix(event.Regarding.Name, "nsaudit-demo")
		return event.ReportingController != controller && !about
	})
}

func describe(event *eventsv1.Event) string {
	return fmt.Sprintf("%s %s %s %s/%s: %s", event.Namespace, event.Type, event.Reason, event.Regarding.Kind, event.Regarding.Name, event.Note)
}
