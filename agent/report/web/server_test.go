// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRoutes(t *testing.T) {
	t.Parallel()
	config := Config{Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the metrics") })}
	tests := []struct {
		method, path string
		status       int
		want         string
	}{
		{http.MethodGet, "/", http.StatusOK, "No scan done yet"},
		{http.MethodHead, "/", http.StatusOK, ""},
		{http.MethodGet, "/metrics", http.StatusOK, "the metrics"},
		{http.MethodGet, "/livez", http.StatusOK, "livez check passed"},
		{http.MethodGet, "/style.css", http.StatusOK, "body {"},
		{http.MethodGet, "/favicon.ico", http.StatusNotFound, ""},
		{http.MethodGet, "/metrics/x", http.StatusNotFound, ""},
		{http.MethodGet, "/debug/pprof/", http.StatusNotFound, ""},
		{http.MethodPost, "/", http.StatusMethodNotAllowed, ""},
		{http.MethodPost, "/metrics", http.StatusMethodNotAllowed, ""},
		{http.MethodPost, "/startupz", http.StatusMethodNotAllowed, ""},
		{http.MethodDelete, "/readyz", http.StatusMethodNotAllowed, ""},
		{http.MethodPost, "/x", http.StatusNotFound, ""},
	}
	for _, test := range tests {
		w := get(t, config, nil, test.method, test.path)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s %s: status %d, want %d with %q:\n%s", test.method, test.path, w.Code, test.status, test.want, w.Body)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" ||
			!strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'none'; style-src 'self';") {
			t.Errorf("%s %s: header %v", test.method, test.path, w.Header())
		}
	}
}

// listening returns a server on two free ports of this machine.
func listening(t *testing.T, config Config) *Server {
	t.Helper()
	config.Addresses, config.Page = []string{"127.0.0.1:0", "127.0.0.1:0"}, NewPage()
	if config.Metrics == nil {
		config.Metrics = http.NotFoundHandler()
	}
	server := New(config)
	if err := server.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	return server
}

// serve runs the server; the function ends it and returns Serve's error.
func serve(t *testing.T, server *Server) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

// fetch reads a page and closes its connection.
func fetch(server *Server, path string) (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + server.Addresses()[0] + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestServe(t *testing.T) {
	t.Parallel()
	server := listening(t, Config{})
	stop := serve(t, server)
	if body, err := fetch(server, "/readyz"); err != nil || body != "readyz check passed\n" {
		t.Errorf("body %q, error %v", body, err)
	}
	if err := stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := fetch(server, "/readyz"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the end: %v", err)
	}
}

// TestServeOnEach asks at each of the addresses.
func TestServeOnEach(t *testing.T) {
	t.Parallel()
	server := listening(t, Config{})
	stop := serve(t, server)
	for _, address := range server.Addresses() {
		response, err := http.Get("http://" + address + "/livez")
		if err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("%s: %v, error %v", address, response, err)
			continue
		}
		_ = response.Body.Close()
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestPortTaken checks that the error helps.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	first := listening(t, Config{})
	defer func() { _ = serve(t, first)() }()
	err := New(Config{Addresses: first.Addresses(), Metrics: http.NotFoundHandler(), Page: NewPage()}).Listen(t.Context())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), first.Addresses()[0]) || !strings.Contains(err.Error(), "--listen-address") {
		t.Errorf("error %v", err)
	}
}

func TestListenRefuses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"no port", "127.0.0.1:70000", "192.0.2.1:0"} {
		err := New(Config{Addresses: []string{address}, Metrics: http.NotFoundHandler(), Page: NewPage()}).Listen(t.Context())
		if err == nil || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "--listen-address") {
			t.Errorf("%q: error %v", address, err)
		}
	}
}

func TestServeWithoutListen(t *testing.T) {
	t.Parallel()
	server := New(Config{Addresses: []string{"localhost:1"}, Metrics: http.NotFoundHandler(), Page: NewPage()})
	if err := server.Serve(t.Context()); !errors.Is(err, errNotListening) {
		t.Errorf("error %v", err)
	}
	if server.Addresses()[0] != "localhost:1" {
		t.Errorf("address %q", server.Addresses()[0])
	}
}

// TestServeFails takes one of two listeners away from a server.
func TestServeFails(t *testing.T) {
	t.Parallel()
	server := listening(t, Config{})
	_ = server.listeners[0].Close()
	if err := server.Serve(t.Context()); !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), server.Addresses()[0]) {
		t.Errorf("error %v", err)
	}
}

// TestRequestUnderWayEnds checks that a request that is being answered when the server is
// asked to end gets its answer.
func TestRequestUnderWayEnds(t *testing.T) {
	t.Parallel()
	started, release := make(chan struct{}), make(chan struct{})
	server := listening(t, Config{Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(started)
		<-release
		_, _ = io.WriteString(w, "whole")
	})})
	stop := serve(t, server)
	answer := make(chan string, 1)
	go func() {
		body, err := fetch(server, "/metrics")
		if err != nil {
			t.Error(err)
		}
		answer <- body
	}()
	<-started
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	close(release)
	if body := <-answer; body != "whole" {
		t.Errorf("body %q", body)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}
