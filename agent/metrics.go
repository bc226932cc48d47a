// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The kinds of scans, by how much they cover. Metrics have them as label values.
const (
	fullScan     = "full"
	targetedScan = "targeted"
)

// The stages that errors are counted by. Metrics have them as label values.
const (
	stageHost       = "host"
	stageContainerd = "containerd"
	stageScan       = "scan"
)

// metrics are the agent's own.
type metrics struct {
	durations   *prometheus.HistogramVec
	lastSuccess *prometheus.GaugeVec
	errors      *prometheus.CounterVec
}

// newMetrics registers the metrics. Connected is called at each scrape.
func newMetrics(registerer prometheus.Registerer, connected func() bool) (*metrics, error) {
	m := &metrics{
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "nsaudit_scan_duration_seconds",
			Help:    "Duration of scans, failed ones too: full scans, and those targeted at containers that changed.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"scan"}),
		// A vector without labels is absent until it is first set.
		lastSuccess: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "nsaudit_scan_last_success_timestamp_seconds",
			Help: "When the last full scan that succeeded ended. Absent until one has.",
		}, nil),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nsaudit_errors_total",
			Help: "Errors of the agent, by what it was doing.",
		}, []string{"stage"}),
	}
	// Each counter begins at 0, so that its first increase is seen as one.
	for _, kind := range []string{fullScan, targetedScan} {
		m.durations.WithLabelValues(kind)
	}
	for _, stage := range []string{stageHost, stageContainerd, stageScan} {
		m.errors.WithLabelValues(stage)
	}
	connection := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "nsaudit_containerd_connected",
		Help: "Whether there is a connection to containerd (1) or not (0).",
	}, func() float64 {
		if connected() {
			return 1
		}
		return 0
	})
	for _, collector := range []prometheus.Collector{m.durations, m.lastSuccess, m.errors, connection} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("register the agent's metrics: %w", err)
		}
	}
	return m, nil
}

// scanned counts a scan of a kind.
func (m *metrics) scanned(kind string, start, end time.Time, err error) {
	m.durations.WithLabelValues(kind).Observe(end.Sub(start).Seconds())
	if kind == fullScan && err == nil {
		m.lastSuccess.WithLabelValues().Set(float64(end.UnixMilli()) / 1000)
	}
}

// failed counts an error at a stage.
func (m *metrics) failed(stage string) { m.errors.WithLabelValues(stage).Inc() }
