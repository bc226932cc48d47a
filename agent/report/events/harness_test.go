// SPDX-License-Identifier: Apache-2.0

package events

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/client-go/rest"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// agent is a reporter with its log and metrics, and what follows the findings.
type agent struct {
	*Reporter
	tracker  audit.Tracker
	registry *prometheus.Registry
	mu       sync.Mutex
	log      bytes.Buffer
}

func newAgent(t *testing.T, client rest.Interface) *agent {
	t.Helper()
	a := &agent{registry: prometheus.NewRegistry()}
	reporter, err := New(Config{
		Client: client, Node: nodeName, Registerer: a.registry,
		Logger: slog.New(slog.NewTextHandler(a, &slog.HandlerOptions{ReplaceAttr: levelAndMessage})),
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Reporter = reporter
	return a
}

// see publishes that these containers are on the node.
func (a *agent) see(containers ...snapshot.Container) {
	a.Publish(a.tracker.Next(nodeOf(containers...)))
}

func levelAndMessage(_ []string, attr slog.Attr) slog.Attr {
	if attr.Key == slog.LevelKey || attr.Key == slog.MessageKey {
		return attr
	}
	return slog.Attr{}
}

// Write takes a line of the log.
func (a *agent) Write(line []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.Write(line)
}

func (a *agent) logged() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.String()
}

func (a *agent) sentResults() map[Result]int {
	sent := make(map[Result]int)
	for _, result := range results() {
		if count := testutil.ToFloat64(a.attempts.WithLabelValues(string(result))); count > 0 {
			sent[result] = int(count)
		}
	}
	return sent
}

func (a *agent) known() int {
	a.Reporter.mu.Lock()
	defer a.Reporter.mu.Unlock()
	return len(a.states)
}

// run lets an agent run until the function that it returns is called, or the test ends.
func (a *agent) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// serve returns an API server and a client that speaks to it over the network.
func serve(t *testing.T) (*apiServer, rest.Interface) {
	t.Helper()
	api := newAPIServer()
	server := httptest.NewServer(api)
	transport := new(http.Transport)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return api, clientTo(t, server.URL, transport)
}

// eventually waits for what takes some requests.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// wantEvents waits until all is delivered, and compares.
func (a *agent) wantEvents(t *testing.T, api *apiServer, want ...string) {
	t.Helper()
	eventually(t, "nothing is pending", func() bool { return a.Pending() == 0 })
	api.want(t, want...)
}

func (a *apiServer) want(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(a.lines()))); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
