// SPDX-License-Identifier: Apache-2.0

// Package metrics shows a node's findings to Prometheus, on one page with the metrics that
// other components register.
//
// A scrape looks at nothing but memory: it shows the node as it was last reported. Before
// the first report the node's metrics are absent, and without a host reference the findings
// are, since 0 would say that the node is clean. A finding's series ends with the finding.
package metrics

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/logkey"
)

// DefaultMaxFindings is how many findings, and how many ports, have a series of their own.
const DefaultMaxFindings = 1000

// maxScrapes caps the scrapes at the same time; others are answered with 503.
const maxScrapes = 8

// Build says what the agent was built from.
type Build struct{ Version, Revision, GoVersion string }

// Config is what an Exporter works with.
type Config struct {
	// Registry takes the metrics, and the page shows all that is in it; nil for a registry of
	// its own.
	Registry *prometheus.Registry
	Build    Build
	// MaxFindings caps the findings, and the ports, that have a series of their own; 0 for
	// DefaultMaxFindings.
	MaxFindings int
	// Logger is for scrapes that failed; nil for none.
	Logger *slog.Logger
}

// Exporter holds the metrics of the node, and shows those of a registry. Its methods may be
// called at the same time.
type Exporter struct {
	registry *prometheus.Registry
	logger   *slog.Logger
	node     *nodeCollector
}

// New registers the metrics of the node, of the build and of the process.
func New(config Config) (*Exporter, error) {
	e := &Exporter{
		registry: config.Registry,
		logger:   cmp.Or(config.Logger, slog.New(slog.DiscardHandler)),
		node:     newNodeCollector(cmp.Or(config.MaxFindings, DefaultMaxFindings)),
	}
	if e.registry == nil {
		e.registry = prometheus.NewRegistry()
	}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "nsaudit_build_info",
		Help: "What the agent was built from; always 1.",
		ConstLabels: prometheus.Labels{
			"version":   label(config.Build.Version),
			"revision":  label(config.Build.Revision),
			"goversion": label(config.Build.GoVersion),
		},
	}, func() float64 { return 1 })
	for _, collector := range []prometheus.Collector{
		e.node, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := e.registry.Register(collector); err != nil {
			return nil, fmt.Errorf("register the metrics of the node: %w", err)
		}
	}
	return e, nil
}

// Publish takes what is now known of the node in place of what was known before.
func (e *Exporter) Publish(result *audit.Result) { e.node.latest.Store(result) }

// Handler returns the page that Prometheus scrapes. What can't be gathered is logged and
// counted on the page itself, and left out of it.
func (e *Exporter) Handler() http.Handler {
	return promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{
		ErrorLog:            scrapeLog{e.logger},
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            e.registry,
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true,
	})
}

// scrapeLog is the logger that promhttp wants.
type scrapeLog struct{ logger *slog.Logger }

// Println logs an error, of which promhttp makes several values.
func (l scrapeLog) Println(values ...any) {
	l.logger.Error("Could not show all metrics", slog.String(logkey.Error, strings.TrimSpace(fmt.Sprintln(values...))))
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
