// SPDX-License-Identifier: Apache-2.0

package events

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/nsaudit/nsaudit/agent/snapshot"
)

func TestNew(t *testing.T) {
	t.Parallel()
	_, client := serve(t)
	logger := newAgent(t, client).logger
	tests := map[string]Config{
		"no node":          {Client: client, Logger: logger},
		"hostile node":     {Client: client, Logger: logger, Node: "../x"},
		"no such mode":     {Client: client, Logger: logger, Node: nodeName, Mode: "some"},
		"mode off":         {Client: client, Logger: logger, Node: nodeName, Mode: Off},
		"short TTL":        {Client: client, Logger: logger, Node: nodeName, TTL: time.Second},
		"negative TTL":     {Client: client, Logger: logger, Node: nodeName, TTL: -time.Hour},
		"without a client": {Logger: logger, Node: nodeName},
		"without a logger": {Client: client, Node: nodeName},
	}
	for name, config := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := New(config); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestFlush(t *testing.T) {
	t.Parallel()
	api, client := serve(t)
	agent := newAgent(t, client)
	agent.Publish(nodeOf(hostNet("a")))
	if err := agent.Flush(t.Context()); err != nil {
		t.Fatalf("before run: %v", err)
	}
	api.want(t, podEvent+"1")
	stop := agent.run(t)
	stop()
	agent.Publish(nodeOf(hostNet("a"), bare("b", inHostNet(12, "sh"))))
	if err := agent.Flush(t.Context()); err != nil {
		t.Fatalf("after run: %v", err)
	}
	api.want(t, podEvent+"1", "default Node/node-1 UndeclaredHostNetwork ×1")
}

func TestFlushIsBounded(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		trouble func(*apiServer)
		want    string
	}{
		"refused": {
			func(api *apiServer) {
				api.setRefuse(func(request) error { return apierrors.NewUnauthorized("who?") })
			},
			`flush events: 1 are pending (context deadline exceeded): create events.events.k8s.io in namespace "apps": who?; ` +
				"check that the agent's service account exists and its token is mounted, or that the credentials of its kubeconfig are valid",
		},
		"no answer": {func(api *apiServer) { api.setDeaf(true) }, "flush events: 1 are pending: context deadline exceeded"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := serve(t)
			test.trouble(api)
			agent := newAgent(t, client)
			agent.Publish(nodeOf(hostNet("a")))
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			err := agent.Flush(ctx)
			if err == nil || err.Error() != test.want {
				t.Errorf("the error is\n%v, want\n%s", err, test.want)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error is not that the time is over: %v", err)
			}
		})
	}
}

func TestOmitted(t *testing.T) {
	t.Parallel()
	api, client := serve(t)
	agent := newAgent(t, client)
	agent.limit = 2
	var many []snapshot.Container
	for _, name := range []string{"a", "b", "c", "d"} {
		many = append(many, bare(name, inHostNet(12, "sh")))
	}
	agent.see(many...)
	agent.see(many...)
	if agent.Omitted() != 2 || agent.Pending() != 3 {
		t.Errorf("omitted %d and pending %d, want 2, and 2 and the notice", agent.Omitted(), agent.Pending())
	}
	if err := agent.ErrOmitted(); err == nil || err.Error() != "2 findings get no event: the agent keeps at most 2, and 40 of one pod" {
		t.Errorf("the error of omitted findings is %v", err)
	}
	if got := agent.logged(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "Too many findings") {
		t.Errorf("log:\n%s", got)
	}
	if err := agent.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Those that have ended make room once that is said.
	agent.see(many[2:]...)
	if err := agent.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	agent.see(many[2:]...)
	if agent.Omitted() != 0 || agent.Pending() != 3 {
		t.Errorf("omitted %d and pending %d, want 0, and 2 and the notice's end", agent.Omitted(), agent.Pending())
	}
	if err := agent.ErrOmitted(); err != nil {
		t.Errorf("there is still an error: %v", err)
	}
	if got := len(api.lines()); got != 5 {
		t.Errorf("%d events, want 2, their ends and the notice", got)
	}
}
