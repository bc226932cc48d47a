// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/nsaudit/nsaudit/agent/logkey"
)

// maxScrapes caps the scrapes at the same time; others are answered with 503.
const maxScrapes = 8

// Handler returns the page that Prometheus scrapes: all that is in a registry. What can't be
// gathered is logged and counted on the page itself, and left out of it.
func Handler(registry *prometheus.Registry, logger *slog.Logger) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            scrapeLog{logger},
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            registry,
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
