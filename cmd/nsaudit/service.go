// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/nsaudit/nsaudit/agent"
	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/logkey"
	"github.com/nsaudit/nsaudit/agent/policy/policyfile"
	"github.com/nsaudit/nsaudit/agent/report/events"
	"github.com/nsaudit/nsaudit/agent/report/journal"
	"github.com/nsaudit/nsaudit/agent/report/metrics"
	"github.com/nsaudit/nsaudit/agent/report/web"
	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/watch"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// service is an agent with all that it reports to.
type service struct {
	options *agentOptions
	logger  *slog.Logger
	agent   *agent.Agent
	events  *events.Reporter // nil without a cluster, and where Events are off
	policy  agent.Policies
	// policyFile is the policy where it comes from a file, else nil.
	policyFile *policyfile.Watcher
	page       *web.Page
	// registry has the metrics of all of them.
	registry *prometheus.Registry
}

func newService(std streams, options *agentOptions, procfs *nsinspect.FS) (*service, error) {
	s := &service{options: options, logger: newLogger(std.err, options), page: web.NewPage(), registry: prometheus.NewRegistry()}
	client, err := s.cluster()
	if err != nil {
		return nil, err
	}
	node, err := options.reportedNode(client != nil)
	if err != nil {
		return nil, err
	}
	if err := metrics.RegisterProcess(s.registry, build()); err != nil {
		return nil, err
	}
	checks, _ := options.selection() // It was validated.
	sinks, err := s.sinks(std, node, client, checks)
	if err != nil {
		return nil, err
	}
	if err := s.openPolicy(); err != nil {
		return nil, err
	}
	s.agent, err = agent.New(agent.Config{
		Procfs: procfs,
		Node:   node,
		Settle: scan.DefaultSettle,
		Dial:   s.dial,
		Hosts: func(daemon int) []nsinspect.HostCandidate {
			return options.hosts(procfs.Self(), daemon)
		},
		Interval:   options.interval,
		Timeout:    options.timeout,
		Depth:      scan.Lean,
		Checks:     checks,
		Policies:   s.policy,
		Sinks:      sinks,
		Registerer: s.registry,
		Logger:     s.logger,
	})
	return s, err
}

// cluster returns a client for Events, or nil if none are sent.
func (s *service) cluster() (rest.Interface, error) {
	if s.options.eventsMode() == events.Off {
		s.logger.Info("Events are off")
		return nil, nil
	}
	client, err := cluster(s.options.kubeconfig)
	if err == nil && client == nil {
		s.logger.Info("No cluster: findings are not sent as Events")
	}
	return client, err
}

// sinks makes what the agent reports to. Without a client no Events are sent.
func (s *service) sinks(std streams, node string, client rest.Interface, checks *audit.Selection) ([]agent.Sink, error) {
	nodeMetrics, err := metrics.Register(s.registry, checks)
	if err != nil {
		return nil, err
	}
	sinks := []agent.Sink{journal.New(newLogger(std.out, s.options)), nodeMetrics, s.page}
	if client == nil {
		return sinks, nil
	}
	s.events, err = events.New(events.Config{
		Client: client, Node: node, Mode: s.options.eventsMode(), TTL: s.options.eventTTL, Spread: spread,
		Registerer: s.registry, Logger: s.logger,
	})
	return append(sinks, s.events), err
}

// spread is the time over which an agent that starts sends its first Events: those of a cluster
// may start all at once. One that scans once and ends flushes instead.
const spread = time.Minute

// flushTimeout is how long the end waits for Events that the API server has not taken yet:
// half of what the kubelet gives a pod by default.
const flushTimeout = 15 * time.Second

// run serves and scans until the context ends.
func (s *service) run(ctx context.Context) error {
	server := web.New(s.pages())
	if s.options.listen != "" {
		if err := server.Listen(ctx); err != nil {
			return err
		}
		s.logger.Info("Listening", slog.Any(logkey.Addresses, server.Addresses()))
	}
	group, ctx := errgroup.WithContext(ctx)
	if s.options.listen != "" {
		group.Go(func() error { return server.Serve(ctx) })
	}
	if s.events != nil {
		group.Go(func() error { return s.events.Run(ctx) })
	}
	if s.policyFile != nil {
		group.Go(func() error {
			s.policyFile.Run(ctx)
			return nil
		})
	}
	group.Go(func() error {
		s.agent.Run(ctx)
		return nil
	})
	err := group.Wait()
	return errors.Join(err, s.flush(context.WithoutCancel(ctx)))
}

// once scans, and sends what was found.
func (s *service) once(ctx context.Context) error {
	scanErr := s.agent.Once(ctx)
	if s.policyFile != nil {
		scanErr = errors.Join(scanErr, s.policyFile.Err())
		s.noticePolicy(s.policyFile.Err())
	}
	sendErr := s.flush(ctx)
	if sendErr == nil && s.events != nil {
		sendErr = errors.Join(s.events.Err(), s.events.ErrOmitted())
	}
	return errors.Join(scanErr, sendErr)
}

func (s *service) flush(ctx context.Context) error {
	if s.events == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	return s.events.Flush(ctx)
}

func (s *service) pages() web.Config {
	addresses, _ := s.options.addresses() // It was validated.
	config := web.Config{
		Addresses: addresses,
		Metrics:   metrics.Handler(s.registry, s.logger),
		Started:   s.agent.Scanned(),
		Live:      []web.Check{{Name: "loop", Check: s.agent.CheckLoop}},
		Ready: []web.Check{
			{Name: "scan", Check: s.agent.CheckScan},
			{Name: "host", Check: s.agent.CheckHost},
			{Name: "containerd", Check: s.agent.CheckRuntime},
		},
		Page:   s.page,
		Logger: s.logger,
	}
	if s.policyFile != nil {
		config.Ready = append(config.Ready, web.Check{Name: "policy", Check: s.policyFile.Err, Advisory: true})
	}
	if s.events != nil {
		config.Ready = append(config.Ready,
			web.Check{Name: "events", Check: s.events.Err},
			web.Check{Name: "events-omitted", Check: s.events.ErrOmitted, Advisory: true})
	}
	return config
}

// dial connects to containerd, wherever it listens by then.
func (s *service) dial(ctx context.Context) (watch.Runtime, int, error) {
	runtime, err := s.options.connect(ctx)
	if err != nil {
		return nil, 0, err
	}
	if len(runtime.others) > 0 {
		s.logger.Warn("Found several containerds, asking one: choose with --containerd-address",
			slog.String(logkey.Socket, runtime.Address()), slog.Any(logkey.NotAsked, runtime.others))
	}
	return runtime, runtime.daemon, nil
}

func newLogger(w io.Writer, options *agentOptions) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(options.logging)) // It was validated.
	handler := &slog.HandlerOptions{Level: level}
	if options.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, handler))
	}
	return slog.New(slog.NewTextHandler(w, handler))
}
