// SPDX-License-Identifier: Apache-2.0

//go:build integration

package events_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// fault is what becomes of a request.
type fault string

const (
	pass fault = "pass"
	// delay: it takes a moment. Late: it reaches the API server long after the client has given up.
	delay fault = "delay"
	late  fault = "late"
	// cutBefore: the connection is cut before the request reaches the API server, and cutAfter: before
	// its answer reaches the client.
	cutBefore      fault = "cut before"
	cutAfter       fault = "cut after"
	busy           fault = "429"
	busyRetryAfter fault = "429 with Retry-After"
	broken         fault = "500"
	forbidden      fault = "403"
)

func faults() []fault {
	return []fault{delay, late, cutBefore, cutAfter, busy, busyRetryAfter, broken, forbidden}
}

// proxy is between a reporter and the API server, as a user that may create and patch Events.
type proxy struct {
	t        testing.TB
	target   *url.URL
	upstream http.RoundTripper
	// address is where it listens, also after it was away.
	address string
	// late requests are under way.
	late sync.WaitGroup

	mu     sync.Mutex
	server *http.Server
	// plan decides what becomes of the next request, and after, if not nil, is called once it was
	// answered by the API server, or would have been.
	plan func(*http.Request) (what fault, then func())
	met  map[fault]int
}

// newProxy listens for requests to the API server of a configuration.
func newProxy(t testing.TB, config *rest.Config) *proxy {
	t.Helper()
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	upstream, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, target: target, upstream: upstream, address: "127.0.0.1:0", met: make(map[fault]int)}
	p.listen()
	t.Cleanup(func() {
		p.away()
		p.late.Wait()
	})
	return p
}

// listen lets the API server be reached.
func (p *proxy) listen() {
	p.t.Helper()
	var listener net.Listener
	err := errors.New("not tried")
	for deadline := time.Now().Add(10 * time.Second); err != nil; time.Sleep(50 * time.Millisecond) {
		if listener, err = net.Listen("tcp", p.address); err != nil && time.Now().After(deadline) {
			p.t.Fatalf("listen where the proxy was before: %v", err)
		}
	}
	p.address = listener.Addr().String()
	server := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	p.mu.Lock()
	p.server = server
	p.mu.Unlock()
	go server.Serve(listener)
}

// away refuses connections.
func (p *proxy) away() {
	p.mu.Lock()
	server := p.server
	p.mu.Unlock()
	server.Close()
}

// setPlan decides about the requests to come; nil lets them pass.
func (p *proxy) setPlan(plan func(*http.Request) (fault, func())) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = plan
}

// storm lets a share of the requests meet a fault.
func (p *proxy) storm(random *rand.Rand, share float64) {
	p.setPlan(func(*http.Request) (fault, func()) {
		if random.Float64() >= share {
			return pass, nil
		}
		return faults()[random.IntN(len(faults()))], nil
	})
}

// next says what becomes of a request.
func (p *proxy) next(r *http.Request) (what fault, then func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what = pass
	if p.plan != nil {
		what, then = p.plan(r)
	}
	p.met[what]++
	return what, then
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // The client has gone.
	}
	what, then := p.next(r)
	if then != nil {
		defer then()
	}
	resource := schema.GroupResource{Group: "events.k8s.io", Resource: "events"}
	switch what {
	case busy, busyRetryAfter:
		// The API server's own answer to too many requests is no Status.
		if what == busyRetryAfter {
			w.Header().Set("Retry-After", "1")
		}
		http.Error(w, "Too many requests, please try again later.", http.StatusTooManyRequests)
		return
	case broken:
		answer(w, apierrors.NewInternalError(errors.New("etcdserver: request timed out")))
		return
	case forbidden:
		answer(w, apierrors.NewForbidden(resource, "", errors.New("a webhook of the test")))
		return
	case cutBefore:
		panic(http.ErrAbortHandler)
	case late:
		p.late.Go(func() {
			time.Sleep(12 * time.Second)
			if response, err := p.forward(context.WithoutCancel(r.Context()), r, body); err == nil {
				response.Body.Close()
			}
		})
		<-r.Context().Done()
		return
	case delay:
		time.Sleep(time.Second)
	case pass, cutAfter:
	}
	p.pass(w, r, body, what == cutAfter)
}

// pass lets the API server answer, and may keep the answer.
func (p *proxy) pass(w http.ResponseWriter, r *http.Request, body []byte, cut bool) {
	response, err := p.forward(r.Context(), r, body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || cut {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), response.Header)
	w.WriteHeader(response.StatusCode)
	w.Write(text)
}

func (p *proxy) forward(ctx context.Context, r *http.Request, body []byte) (*http.Response, error) {
	onward, err := http.NewRequestWithContext(ctx, r.Method, p.target.JoinPath(r.URL.Path).String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		if !strings.EqualFold(name, "Accept-Encoding") { // What is compressed here stays so.
			onward.Header[name] = values
		}
	}
	return p.upstream.RoundTrip(onward)
}

// answer is what the API server would have said.
func answer(w http.ResponseWriter, err *apierrors.StatusError) {
	status := err.Status()
	status.APIVersion, status.Kind = "v1", "Status"
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(status.Code))
	json.NewEncoder(w).Encode(status)
}
