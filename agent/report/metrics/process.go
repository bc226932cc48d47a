// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Build says what the agent was built from.
type Build struct{ Version, Revision, GoVersion string }

// RegisterProcess registers what the agent was built from, and what it costs.
func RegisterProcess(registerer prometheus.Registerer, build Build) error {
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "nsaudit_build_info",
		Help: "What the agent was built from; always 1.",
		ConstLabels: prometheus.Labels{
			"version":   label(build.Version),
			"revision":  label(build.Revision),
			"goversion": label(build.GoVersion),
		},
	}, func() float64 { return 1 })
	for _, collector := range []prometheus.Collector{
		info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := registerer.Register(collector); err != nil {
			return fmt.Errorf("register the metrics of the process: %w", err)
		}
	}
	return nil
}
