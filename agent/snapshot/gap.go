// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"slices"
	"strings"
)

// Cause is why something could not be seen. There are a handful, so that they can be
// counted.
type Cause string

// The causes.
const (
	// CauseHost says that the host's own namespaces could not be read.
	CauseHost Cause = "host"
	// CauseDenied says that the kernel refused a read.
	CauseDenied Cause = "denied"
	// CauseRead says that a read failed otherwise.
	CauseRead Cause = "read"
	// CauseRuntime says that containerd, or a container's shim, did not answer, or that its
	// answer does not fit the processes.
	CauseRuntime Cause = "runtime"
	// CauseCgroup says that cgroups do not tell whose a process is.
	CauseCgroup Cause = "cgroup"
	// CauseUnsettled says that processes came and went each time they were looked at.
	CauseUnsettled Cause = "unsettled"
	// CauseLimit says that there was more than a cap allows.
	CauseLimit Cause = "limit"
	// CauseDatapath says that the node's network works in a way that leaves no trace that is
	// looked at.
	CauseDatapath Cause = "datapath"
	// CauseUnfinished says that the scan ended before its time.
	CauseUnfinished Cause = "unfinished"
)

// Causes returns all causes.
func Causes() []Cause {
	return []Cause{
		CauseHost, CauseDenied, CauseRead, CauseRuntime,
		CauseCgroup, CauseUnsettled, CauseLimit, CauseDatapath, CauseUnfinished,
	}
}

// Gap is something that was not seen.
type Gap struct {
	Cause Cause `json:"cause"`
	// Reason is a sentence for people. Parts of it may come from hostile hands: escape it
	// before it is shown.
	Detail string `json:"reason"`
}

// String returns the reason.
func (g Gap) String() string { return g.Detail }

// maxGaps caps the gaps that one container, or the node, has.
const maxGaps = 16

// maxDetail caps the text of a gap, in bytes: it may name a path of some kilobytes.
const maxDetail = 512

// AddGap adds a gap that is not there yet, up to a cap. One more then says that there were
// more. A long reason is cut.
func AddGap(gaps *[]Gap, cause Cause, reason string) {
	if len(reason) > maxDetail {
		reason = strings.ToValidUTF8(reason[:maxDetail], "") + "…"
	}
	gap := Gap{Cause: cause, Detail: reason}
	switch n := len(*gaps); {
	case slices.Contains(*gaps, gap):
	case n < maxGaps:
		*gaps = append(*gaps, gap)
	case n == maxGaps:
		*gaps = append(*gaps, Gap{Cause: CauseLimit, Detail: "and more"})
	}
}
