// SPDX-License-Identifier: Apache-2.0

package report

import "github.com/nsaudit/nsaudit/agent/audit"

// Sink reports a node's state. Publish must not block; a sink may keep the result, and
// changes nothing in it.
type Sink interface {
	Publish(result *audit.Result)
}
