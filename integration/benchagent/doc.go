// SPDX-License-Identifier: Apache-2.0

// Package benchagent measures what the agent costs a quiet node with 90 pods, beside two exporters that nodes commonly
// have: node_exporter and process-exporter, on the same node, over the same time, asked for metrics at the same moments.
//
//	make bench-agent
package benchagent
