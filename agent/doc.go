// SPDX-License-Identifier: Apache-2.0

// Package agent is the loop of the node agent: it decides when to scan, keeps what is known
// of the node, has it judged, and hands the result to the reports.
package agent
