// SPDX-License-Identifier: Apache-2.0

package events

import "github.com/nsaudit/nsaudit/agent/report"

// maxPart caps a text from a container in a note, in bytes, so that a long one can't push the
// verdict out of it.
const maxPart = 100

// limits are how many processes and ports a note names: as many as fit beside the rest of it.
func limits() report.Limits { return report.Limits{Processes: 3, Ports: 5} }

// part makes a text from a container fit for a note.
func part(text string) string { return report.Short(report.Clean(text), maxPart) }
