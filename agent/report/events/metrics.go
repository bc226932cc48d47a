// SPDX-License-Identifier: Apache-2.0

package events

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// register registers the reporter's metrics.
func (r *Reporter) register(registerer prometheus.Registerer) error {
	r.attempts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "nsaudit_events_total",
		Help: "Kubernetes Events, by what became of them.",
	}, []string{"result"})
	// Each begins at 0, so that its first increase is seen as one.
	for _, result := range results() {
		r.attempts.WithLabelValues(string(result))
	}
	for _, collector := range []prometheus.Collector{
		r.attempts,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "nsaudit_events_pending",
			Help: "Kubernetes Events that the API server has not taken yet.",
		}, func() float64 { return float64(r.Pending()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "nsaudit_events_omitted",
			Help: "Findings without a Kubernetes Event: beyond the cap of Events that the agent keeps.",
		}, func() float64 { return float64(r.Omitted()) }),
	} {
		if err := registerer.Register(collector); err != nil {
			return fmt.Errorf("register the metrics of events: %w", err)
		}
	}
	return nil
}
