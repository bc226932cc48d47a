// SPDX-License-Identifier: Apache-2.0

// Package metrics shows a node's findings to Prometheus, on one page with the metrics that
// other components register.
//
// A scrape looks at nothing but memory: it shows the result that was published last. Before
// the first result the node's metrics are absent, and without a host reference the findings
// are, since 0 would say that the node is clean. A finding's series ends with the finding.
package metrics
