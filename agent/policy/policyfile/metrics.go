// SPDX-License-Identifier: Apache-2.0

package policyfile

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// register registers the metrics. Rules expire by themselves, so they are counted at each
// scrape.
func (w *Watcher) register() error {
	gauge := func(name, help string, labels prometheus.Labels, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value)
	}
	rules := func(state string, of func(active, expired int) int) prometheus.Collector {
		return gauge("nsaudit_policy_rules", "Rules of the policy that is in force, by whether they have expired.",
			prometheus.Labels{"state": state},
			func() float64 { return float64(of(w.Current().Count(time.Now()))) })
	}
	for _, collector := range []prometheus.Collector{
		gauge("nsaudit_policy_last_reload_successful",
			"Whether the policy's file could be used when it was last read (1) or not (0).", nil,
			func() float64 {
				if w.state.Load().problem != nil {
					return 0
				}
				return 1
			}),
		gauge("nsaudit_policy_last_reload_success_timestamp_seconds",
			"When the policy that is in force was loaded; 0 if no version of its file could be used.", nil,
			func() float64 {
				loaded := w.state.Load().loaded
				if loaded.IsZero() {
					return 0
				}
				return float64(loaded.UnixMilli()) / 1000
			}),
		rules("active", func(active, _ int) int { return active }),
		rules("expired", func(_, expired int) int { return expired }),
	} {
		if err := w.config.Registerer.Register(collector); err != nil {
			return fmt.Errorf("register the metrics of the policy: %w", err)
		}
	}
	return nil
}
