// SPDX-License-Identifier: Apache-2.0

// Package events reports findings as Kubernetes Events, where people look first: in
// kubectl describe pod and kubectl get events.
//
// An Event is a level, not an edge. Its name follows from the finding, so that neither a
// retry nor a restart of the agent makes a second one. As long as the finding lasts, the
// Event's series is patched before its time to live ends, and until the API server has
// taken it, it is pending.
//
// client-go's own recorders are not used: they drop what the API server refuses temporarily,
// without an error.
package events

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
)

// Result is what became of one attempt to deliver an Event.
type Result string

// The results.
const (
	// Created: the API server has a new Event.
	Created Result = "created"
	// Refreshed: an Event's series grew.
	Refreshed Result = "refreshed"
	// Failed: the attempt is repeated.
	Failed Result = "failed"
	// Dropped: the Event's namespace is being deleted, and the pod with it.
	Dropped Result = "dropped"
	// Rejected: the API server will never take the Event.
	Rejected Result = "rejected"
)

func results() []Result {
	return []Result{Created, Refreshed, Failed, Dropped, Rejected}
}

// Bounds of what a reporter takes.
const (
	// DefaultTTL is the API server's own default.
	DefaultTTL = time.Hour
	minTTL     = time.Minute
	// maxEvents caps the Events that a reporter keeps alive, and maxOfPod those of one pod: what
	// one makes of findings leaves room for those of a hundred others.
	maxEvents = 5000
	maxOfPod  = 40
)

// Config is what a [Reporter] is made of.
type Config struct {
	// Client, of NewClient, creates and patches Events; it needs no other right.
	Client rest.Interface
	// Node is the name of the Node object.
	Node string
	// Mode is Warnings or All; empty stands for Warnings.
	Mode Mode
	// TTL is how long the API server keeps an Event (its --event-ttl), at least a minute.
	// Zero stands for DefaultTTL.
	TTL time.Duration
	// Spread is the time over which the Events of the first result are spread.
	Spread time.Duration
	// Clock is the wall clock, for the times that Events have; nil stands for time.Now.
	Clock func() time.Time
	// Registerer takes the reporter's metrics.
	Registerer prometheus.Registerer
	// Logger is for when delivery begins to fail and when it works again.
	Logger *slog.Logger
}

// Reporter keeps the API server's Events in line with the latest report.
type Reporter struct {
	client client
	node   string
	mode   Mode
	ttl    time.Duration
	spread time.Duration
	clock  func() time.Time
	// limit and ownerLimit cap the Events, of all and of one pod.
	limit, ownerLimit int
	logger            *slog.Logger
	// bucket bounds how fast Events are sent.
	bucket *rate.Limiter
	// attempts counts what became of attempts to deliver an Event.
	attempts *prometheus.CounterVec
	// turn is held by the one of Run and Flush that delivers.
	turn chan struct{}
	// progress has something in it after a delivery.
	progress chan struct{}

	mu sync.Mutex
	// states are the Events by key. One that says that another has ended is with that.
	states map[string]*state
	// generation numbers the reports. Started is set once one has what was there at the start.
	generation int
	started    bool
	// omitted is the number of findings of the latest report that get no Event.
	omitted int
	// queue is nil while nothing is delivered. In a hurry, nothing that is pending waits for when
	// it is due.
	queue queue
	hurry bool
	// problem is the latest error of a delivery, and logged are the
	// classes of problems that the log has, until all is delivered.
	problem error
	logged  map[string]bool
}

// New returns a reporter that delivers nothing before Run or Flush is called.
func New(config Config) (*Reporter, error) {
	if problems := validation.IsDNS1123Subdomain(config.Node); len(problems) > 0 {
		return nil, fmt.Errorf("report events of node %q: %s", config.Node, strings.Join(problems, ", "))
	}
	config.Mode = cmp.Or(config.Mode, Warnings)
	if config.Mode != Warnings && config.Mode != All {
		return nil, fmt.Errorf("report events in mode %q: there is no such mode", config.Mode)
	}
	config.TTL = cmp.Or(config.TTL, DefaultTTL)
	if config.TTL < minTTL {
		return nil, fmt.Errorf("report events with a time to live of %v: it must be %v or more", config.TTL, minTTL)
	}
	if config.Client == nil || config.Logger == nil || config.Registerer == nil {
		return nil, errors.New("report events: the client, the logger or the registerer is missing")
	}
	if config.Clock == nil {
		config.Clock = time.Now
	}
	r := &Reporter{
		client:     client{rest: config.Client},
		node:       config.Node,
		mode:       config.Mode,
		ttl:        config.TTL,
		spread:     config.Spread,
		clock:      config.Clock,
		limit:      maxEvents,
		ownerLimit: maxOfPod,
		logger:     config.Logger,
		bucket:     newBucket(),
		turn:       make(chan struct{}, 1),
		progress:   make(chan struct{}, 1),
		states:     make(map[string]*state),
		logged:     make(map[string]bool),
	}
	if err := r.register(config.Registerer); err != nil {
		return nil, err
	}
	return r, nil
}

// Pending returns how many Events the API server has yet to take.
func (r *Reporter) Pending() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	pending := 0
	for _, s := range r.states {
		if s.pending() {
			pending++
		}
		if s.end != nil && s.end.pending() {
			pending++
		}
	}
	return pending
}

// Omitted returns how many findings of the latest report get no Event because there are
// more than Events are kept of, of their pod or of all.
func (r *Reporter) Omitted() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.omitted
}

// Err returns the latest problem with delivery, naming the verb, the namespace and the remedy,
// while there is one.
func (r *Reporter) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.problem
}

// ErrOmitted returns an error while findings get no Event because there are too many.
func (r *Reporter) ErrOmitted() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.omitted == 0 {
		return nil
	}
	return fmt.Errorf("%d findings get no event: the agent keeps at most %d, and %d of one pod", r.omitted, r.limit, r.ownerLimit)
}
