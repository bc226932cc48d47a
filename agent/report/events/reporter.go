// Package events reports findings as Kubernetes Events, where people look first: in
// kubectl describe pod and kubectl get events.
//
// An Event is a level, not an edge. Its name follows from the finding, so that neither a
// retry nor a restart of the agent makes a second one. As long as the finding lasts, the
// Event's series is patched before its time to live ends, and until the API server has
// taken it, it is pending.
//
// client-go's own recorders are not used: they drop what the API server refuses for the
// moment, and do not say so.
package events

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"

	"github.com/nsaudit/nsaudit/agent/audit"
)

// Result is what became of one attempt to deliver an Event.
type Result string

// The results.
const (
	// Created says that the API server has a new Event.
	Created Result = "created"
	// Refreshed says that an Event's series grew.
	Refreshed Result = "refreshed"
	// Failed says that the attempt is repeated.
	Failed Result = "failed"
	// Dropped says that the Event's namespace is being deleted, and the pod with it.
	Dropped Result = "dropped"
	// Rejected says that the API server will never take the Event.
	Rejected Result = "rejected"
)

// Results returns all results.
func Results() []Result {
	return []Result{Created, Refreshed, Failed, Dropped, Rejected}
}

// Bounds of what a reporter takes.
const (
	// DefaultTTL is the API server's own default.
	DefaultTTL = time.Hour
	minTTL     = time.Minute
	// maxEvents caps the Events that a reporter keeps alive.
	maxEvents = 5000
)

// Config is what a [Reporter] is made of.
type Config struct {
	// Client, of NewClient, creates and patches Events; it needs no other right. Its rate
	// limit bounds how fast Events are sent.
	Client rest.Interface
	// Node is the name of the Node object.
	Node string
	// TTL is how long the API server keeps an Event (its --event-ttl), at least a minute.
	// Zero stands for DefaultTTL.
	TTL time.Duration
	// Logger is told when delivery begins to fail and when it works again.
	Logger *slog.Logger
	// Sent, if not nil, is called after each attempt, from several goroutines.
	Sent func(Result)
}

// Reporter keeps the API server's Events in line with the latest report.
type Reporter struct {
	client client
	node   string
	ttl    time.Duration
	limit  int
	logger *slog.Logger
	sent   func(Result)
	// turn is held by the one of Run and Flush that delivers.
	turn chan struct{}
	// progress has something in it after a delivery.
	progress chan struct{}

	mu     sync.Mutex
	states map[string]*state
	// generation numbers the reports.
	generation int
	overflow   int
	// queue is nil while nobody delivers.
	queue queue
	// problem is the latest reason why an Event could not be delivered, and logged are the
	// classes of problems that the log has, until all is delivered.
	problem error
	logged  map[string]bool
}

// New returns a reporter that delivers nothing before Run or Flush is called.
func New(config Config) (*Reporter, error) {
	if problems := validation.IsDNS1123Subdomain(config.Node); len(problems) > 0 {
		return nil, fmt.Errorf("report events of node %q: %s", config.Node, strings.Join(problems, ", "))
	}
	if config.TTL == 0 {
		config.TTL = DefaultTTL
	}
	if config.TTL < minTTL {
		return nil, fmt.Errorf("report events with a time to live of %v: it must be %v or more", config.TTL, minTTL)
	}
	if config.Client == nil || config.Logger == nil {
		return nil, errors.New("report events: the client or the logger is missing")
	}
	if config.Sent == nil {
		config.Sent = func(Result) {}
	}
	return &Reporter{
		client:   client{rest: config.Client},
		node:     config.Node,
		ttl:      config.TTL,
		limit:    maxEvents,
		logger:   config.Logger,
		sent:     config.Sent,
		turn:     make(chan struct{}, 1),
		progress: make(chan struct{}, 1),
		states:   make(map[string]*state),
		logged:   make(map[string]bool),
	}, nil
}

// Publish makes the findings of a result the ones that Events are kept of. It does not wait
// for the API server.
func (r *Reporter) Publish(result *audit.Result) {
	events := eventsOf(result, r.node)
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.generation++
	var added []event
	for _, e := range events {
		s, ok := r.states[e.key]
		if !ok {
			added = append(added, e)
			continue
		}
		if s.observe(e, r.generation, now) {
			r.enqueue(s, now)
		}
	}
	if len(r.states)+len(added) > r.limit {
		r.forgetGone()
	}
	r.add(added, now)
}

// add takes Events that are not known yet, as far as there is room.
func (r *Reporter) add(events []event, now time.Time) {
	overflow := 0
	for _, e := range events {
		// Two containers may be one to people, as an old and a new one of the same name are.
		if _, ok := r.states[e.key]; ok {
			continue
		}
		if len(r.states) >= r.limit {
			overflow++
			continue
		}
		s := newState(e, r.generation, now)
		r.states[e.key] = s
		r.enqueue(s, now)
	}
	if overflow > 0 && r.overflow == 0 {
		r.logger.Warn("too many findings: some get no event", "limit", r.limit, "overflow", overflow)
	}
	r.overflow = overflow
}

// forgetGone makes room: should one of these findings come back, its Event is found again
// by its name.
func (r *Reporter) forgetGone() {
	for key, s := range r.states {
		if s.generation != r.generation && !s.owed {
			delete(r.states, key)
		}
	}
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
	}
	return pending
}

// Overflow returns how many findings of the latest report get no Event because there are
// too many.
func (r *Reporter) Overflow() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.overflow
}

// Err returns the latest problem with delivery, naming the verb, the namespace and the
// remedy, or nil once no Event has one.
func (r *Reporter) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.problem
}
