package report

import (
	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// ScanKind says how much a scan looked at.
type ScanKind string

// The kinds of scans.
const (
	FullScan     ScanKind = "full"
	TargetedScan ScanKind = "targeted"
)

// Node is what is known of a node after a look at it. Whoever is given one may keep it,
// and changes nothing in it.
type Node struct {
	// Snapshot is what was seen: by the latest full scan, and by the targeted scans and the
	// events since.
	Snapshot *snapshot.Snapshot
	// Findings and Unknown are what audit.Judge says of the snapshot.
	Findings []audit.Finding
	Unknown  []audit.Unknown
}

// NewNode judges a snapshot.
func NewNode(snap *snapshot.Snapshot) *Node {
	findings, unknown := audit.Judge(snap)
	return &Node{Snapshot: snap, Findings: findings, Unknown: unknown}
}

// Container returns the container of a finding.
func (n *Node) Container(finding *audit.Finding) *snapshot.Container {
	return &n.Snapshot.Containers[finding.Container]
}
