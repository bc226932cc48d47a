package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/nsaudit/nsaudit/agent"
	"github.com/nsaudit/nsaudit/agent/logkey"
	"github.com/nsaudit/nsaudit/agent/report/events"
	"github.com/nsaudit/nsaudit/agent/report/journal"
	"github.com/nsaudit/nsaudit/agent/report/metrics"
	"github.com/nsaudit/nsaudit/agent/report/web"
	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/watch"
	"github.com/nsaudit/nsaudit/nsinspect"
)

func newAgent(std streams) *cobra.Command {
	options := defaultAgentOptions()
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Watch this node and report what is shared as Events and metrics",
		Long: `agent looks at this node time and again: at every container as soon as it starts,
and at everything each --interval. What shares the host's namespaces it reports as
Kubernetes Events, as metrics on /metrics, and as lines on standard output.

It runs as a DaemonSet; without a cluster it sends no Events and does the rest. It
needs what scan needs: CAP_SYS_PTRACE and containerd's socket.

Every flag can be given as an environment variable (--node-name is NSAUDIT_NODE_NAME)
and as a key of the YAML file named by --config (node-name: a). A flag goes before the
environment, and that before the file.`,
		Example: `  nsaudit agent                                  # in a pod, or on a machine without a cluster
  nsaudit agent --kubeconfig ~/.kube/config --node-name node-a
  nsaudit agent --once                           # one scan, reported, then the end
  curl http://localhost:9547/metrics             # what it knows`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := errors.Join(applySettings(cmd.Flags(), os.Getenv), options.validate())
			if err != nil {
				return usageError(err)
			}
			return runAgent(cmd.Context(), std, options)
		},
	}
	options.register(cmd.Flags())
	return cmd
}

// watcher is an agent with all that it reports to.
type watcher struct {
	options *agentOptions
	logger  *slog.Logger
	agent   *agent.Agent
	events  *events.Reporter // nil without a cluster
	page    *web.Page
	// registry has the metrics of all of them.
	registry *prometheus.Registry
}

// runAgent watches until the context ends. What is wrong with the settings is known before
// anything is started; what goes wrong later is reported and tried again.
func runAgent(ctx context.Context, std streams, options *agentOptions) error {
	procfs, err := nsinspect.NewFS(options.procfs)
	if err != nil {
		return &exitError{exitFailed, fmt.Errorf("%w: mount the host's procfs there, or name the place with --procfs", err)}
	}
	defer func() { _ = procfs.Close() }() // Nothing was written to it.
	w, err := newWatcher(std, options, procfs)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	if options.once {
		err = w.once(ctx)
	} else {
		err = w.run(ctx)
	}
	if err != nil {
		return &exitError{exitFailed, err}
	}
	return nil
}

func newWatcher(std streams, options *agentOptions, procfs *nsinspect.FS) (*watcher, error) {
	w := &watcher{options: options, logger: newLogger(std.err, options), page: web.NewPage(), registry: prometheus.NewRegistry()}
	client, err := cluster(options.kubeconfig, userAgent())
	if err != nil {
		return nil, err
	}
	node, err := options.nodeName(client != nil)
	if err != nil {
		return nil, err
	}
	nodeMetrics, err := metrics.Register(w.registry)
	if err != nil {
		return nil, err
	}
	if err := metrics.RegisterProcess(w.registry, build()); err != nil {
		return nil, err
	}
	sinks := []agent.Sink{journal.New(newLogger(std.out, options)), nodeMetrics, w.page}
	if client != nil {
		w.events, err = events.New(events.Config{
			Client: client, Node: node, TTL: options.eventTTL, Registerer: w.registry, Logger: w.logger,
		})
		if err != nil {
			return nil, err
		}
		sinks = append(sinks, w.events)
	} else {
		w.logger.Info("No cluster: findings are not sent as Events")
	}
	w.agent, err = agent.New(agent.Config{
		Procfs: procfs,
		Node:   node,
		Settle: scan.DefaultSettle,
		Dial:   dialer(options.address, w.logger),
		Hosts: func(daemon int) []nsinspect.HostCandidate {
			return hostCandidates(options.hostPID, procfs.Self(), daemon)
		},
		Interval:   options.interval,
		Timeout:    options.timeout,
		Sinks:      sinks,
		Registerer: w.registry,
		Logger:     w.logger,
	})
	return w, err
}

// flushTimeout is how long the end waits for Events that the API server has not taken yet:
// half of what the kubelet gives a pod by default.
const flushTimeout = 15 * time.Second

// run serves and watches until the context ends.
func (w *watcher) run(ctx context.Context) error {
	server := web.New(w.pages())
	if w.options.listen != "" {
		if err := server.Listen(ctx); err != nil {
			return err
		}
		w.logger.Info("Listening", slog.Any(logkey.Addresses, server.Addresses()))
	}
	group, ctx := errgroup.WithContext(ctx)
	if w.options.listen != "" {
		group.Go(func() error { return server.Serve(ctx) })
	}
	if w.events != nil {
		group.Go(func() error { return w.events.Run(ctx) })
	}
	group.Go(func() error {
		w.agent.Run(ctx)
		return nil
	})
	err := group.Wait()
	return errors.Join(err, w.flush(context.WithoutCancel(ctx)))
}

// once scans, and sends what it found.
func (w *watcher) once(ctx context.Context) error {
	scanErr := w.agent.Once(ctx)
	sendErr := w.flush(ctx)
	if sendErr == nil && w.events != nil {
		sendErr = w.events.Err()
	}
	return errors.Join(scanErr, sendErr)
}

func (w *watcher) flush(ctx context.Context) error {
	if w.events == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	return w.events.Flush(ctx)
}

func (w *watcher) pages() web.Config {
	addresses, _ := w.options.addresses() // It was validated.
	config := web.Config{
		Addresses: addresses,
		Metrics:   metrics.Handler(w.registry, w.logger),
		Live:      []web.Check{{Name: "loop", Check: w.agent.CheckLoop}},
		Ready: []web.Check{
			{Name: "scan", Check: w.agent.CheckScan},
			{Name: "host", Check: w.agent.CheckHost},
			{Name: "containerd", Check: w.agent.CheckRuntime},
		},
		Page:   w.page,
		Logger: w.logger,
	}
	if w.events != nil {
		config.Ready = append(config.Ready, web.Check{Name: "events", Check: w.events.Err})
	}
	return config
}

// dialer connects to containerd wherever it listens by then.
func dialer(address string, logger *slog.Logger) watch.Dial {
	return func(ctx context.Context) (watch.Runtime, int, error) {
		client, daemon, others, err := connect(ctx, address)
		if err != nil {
			return nil, 0, err
		}
		if len(others) > 0 {
			logger.Warn("Found several containerds, asking one: choose with --containerd-address",
				slog.String(logkey.Socket, client.Address()), slog.Any(logkey.NotAsked, others))
		}
		return client, daemon, nil
	}
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
