// Package metrics shows a node's findings, and how the agent itself fares, to Prometheus.
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
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/nsaudit/nsaudit/agent/audit"
)

// DefaultMaxFindings is how many findings, and how many ports, have a series of their own.
const DefaultMaxFindings = 1000

// fullScan is the kind of a scan of the whole node.
const fullScan = "full"

// maxScrapes caps the scrapes at the same time; others are answered with 503.
const maxScrapes = 8

// Build says what the agent was built from.
type Build struct{ Version, Revision, GoVersion string }

// Config is what an Exporter works with.
type Config struct {
	Build Build
	// Stages are the names that Error is called with, and EventResults those of EventSent,
	// a handful each. They are shown as 0 until then.
	Stages       []string
	EventResults []string
	// EventsPending returns the number of Events that the API server has not taken yet; nil
	// where no Events are sent. It is called during scrapes, as is Connected.
	EventsPending func() int
	// Connected says whether there is a connection to containerd; nil where none is wanted.
	Connected func() bool
	// MaxFindings caps the findings, and the ports, that have a series of their own; 0 for
	// DefaultMaxFindings.
	MaxFindings int
	// Logger is told of scrapes that failed; nil for nobody.
	Logger *slog.Logger
}

// Exporter holds the metrics. Its methods may be called at the same time.
type Exporter struct {
	registry    *prometheus.Registry
	logger      *slog.Logger
	node        *nodeCollector
	durations   *prometheus.HistogramVec
	lastSuccess *prometheus.GaugeVec
	errors      *prometheus.CounterVec
	events      *prometheus.CounterVec
}

// New returns an exporter with a registry of its own.
func New(config Config) *Exporter {
	registry := prometheus.NewRegistry()
	// Names are constants and the registry is empty, so that nothing can be registered twice.
	factory := promauto.With(registry)
	e := &Exporter{
		registry: registry,
		logger:   cmp.Or(config.Logger, slog.New(slog.DiscardHandler)),
		node:     newNodeCollector(cmp.Or(config.MaxFindings, DefaultMaxFindings)),
		durations: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "nsaudit_scan_duration_seconds",
			Help:    "How long scans took, failed ones too, by how much they looked at.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"scan"}),
		// A vector without labels is absent until it is first set.
		lastSuccess: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "nsaudit_scan_last_success_timestamp_seconds",
			Help: "When the last full scan that succeeded ended. Absent until one has.",
		}, nil),
		errors: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "nsaudit_errors_total",
			Help: "Errors of the agent, by what it was doing.",
		}, []string{"stage"}),
		events: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "nsaudit_events_total",
			Help: "Kubernetes Events, by what became of them.",
		}, []string{"result"}),
	}
	e.start(config)
	registry.MustRegister(e.node, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registerFuncs(factory, config)
	return e
}

// start shows every counter as 0, so that its first increase is seen as one.
func (e *Exporter) start(config Config) {
	for _, kind := range []string{fullScan, "targeted"} {
		e.durations.WithLabelValues(kind)
	}
	for _, stage := range config.Stages {
		e.errors.WithLabelValues(stage)
	}
	for _, result := range config.EventResults {
		e.events.WithLabelValues(result)
	}
}

// registerFuncs registers what is asked for at each scrape, and what never changes.
func registerFuncs(factory promauto.Factory, config Config) {
	if config.EventsPending != nil {
		factory.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "nsaudit_events_pending",
			Help: "Kubernetes Events that the API server has not taken yet.",
		}, func() float64 { return float64(config.EventsPending()) })
	}
	if config.Connected != nil {
		factory.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "nsaudit_containerd_connected",
			Help: "Whether there is a connection to containerd (1) or not (0).",
		}, func() float64 { return truth(config.Connected()) })
	}
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "nsaudit_build_info",
		Help: "What the agent was built from; always 1.",
		ConstLabels: prometheus.Labels{
			"version":   label(config.Build.Version),
			"revision":  label(config.Build.Revision),
			"goversion": label(config.Build.GoVersion),
		},
	}, func() float64 { return 1 })
}

// Publish takes what is now known of the node in place of what was known before.
func (e *Exporter) Publish(result *audit.Result) { e.node.latest.Store(result) }

// ScanDone takes how long a scan took, whether it failed, and when it ended.
func (e *Exporter) ScanDone(kind string, took time.Duration, err error, ended time.Time) {
	e.durations.WithLabelValues(kind).Observe(took.Seconds())
	if kind == fullScan && err == nil {
		e.lastSuccess.WithLabelValues().Set(float64(ended.UnixMilli()) / 1000)
	}
}

// Error counts an error of one of Config.Stages.
func (e *Exporter) Error(stage string) { e.errors.WithLabelValues(stage).Inc() }

// EventSent counts an Event that met one of Config.EventResults.
func (e *Exporter) EventSent(result string) { e.events.WithLabelValues(result).Inc() }

// Gatherer returns the registry for reading.
func (e *Exporter) Gatherer() prometheus.Gatherer { return e.registry }

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
	l.logger.Error("Could not show all metrics", "err", strings.TrimSpace(fmt.Sprintln(values...)))
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
