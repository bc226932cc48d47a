// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/level"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// Result is a snapshot with its verdicts. It is shared by all who report it: nothing in it
// may be changed.
type Result struct {
	// Snapshot is what was judged.
	Snapshot *snapshot.Snapshot
	// Findings and Unknown are in a stable order: by pod, container and check.
	Findings []Finding
	Unknown  []Unknown
	// Posture are the findings about what was declared and is common, in the same order: that
	// a container runs as root, for example. They are counted and shown, and not announced.
	Posture []Finding
	// Levels are the Pod Security levels of the pods, by namespace and name.
	Levels []level.Pod
	// Rules are the rules of the policy that expect findings, in its order; not those that only
	// give them a severity.
	Rules []RuleUse
	// Began and Ended are what has changed since the result before, of the findings that are
	// not expected, but for those that are deferred. A finding that has ended because a rule
	// expects it from now on is there as it is now.
	Began, Ended []*Finding
}

// RuleUse is how many findings a rule of the policy expects.
type RuleUse struct {
	Rule     string
	Findings int
}

// Unknown is something that could not be judged.
type Unknown struct {
	// Container is what it is about; nil for the whole node.
	Container *snapshot.Container
	snapshot.Gap
}

// Judge judges a snapshot, which may not be changed any more, by the checks that are on by default.
func Judge(snap *snapshot.Snapshot) *Result { return DefaultSelection().Judge(snap) }

// Judge judges a snapshot, which may not be changed any more.
func (s *Selection) Judge(snap *snapshot.Snapshot) *Result {
	result := &Result{Snapshot: snap, Unknown: s.gaps(snap), Levels: level.Of(snap)}
	node := &node{snap, result.Levels}
	for _, check := range checks() {
		if !s.wants(check) {
			continue
		}
		findings, unknown := check.Judge(node)
		for i := range findings {
			if finding := &findings[i]; s.selected(finding.Reason()) {
				result.take(finding, check.Posture(finding.Verdict))
			}
		}
		result.Unknown = append(result.Unknown, unknown...)
	}
	s.judgeEnded(result)
	Sort(result.Findings)
	Sort(result.Posture)
	return result
}

// Sort orders findings by pod and container. Those of one container keep their order.
func Sort(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return compareContainers(a.Container, b.Container)
	})
}

// take completes a finding and adds it.
func (r *Result) take(finding *Finding, posture bool) {
	finding.Identify(r.Snapshot.Node)
	finding.Anonymous = finding.DeclaredBy == inventory.ByUnknown && r.Snapshot.Inventory.Source == inventory.FromCgroups
	if posture {
		r.Posture = append(r.Posture, *finding)
	} else {
		r.Findings = append(r.Findings, *finding)
	}
}

// Ranked returns the findings in the order in which a cap leaves them out, last first: the worst
// first, what is expected last, each by container and check.
func (r *Result) Ranked() []*Finding {
	ranked := make([]*Finding, len(r.Findings))
	for i := range r.Findings {
		ranked[i] = &r.Findings[i]
	}
	order := Severities()
	rank := func(f *Finding) int {
		if f.Expected() {
			return len(order)
		}
		return slices.Index(order, f.Severity)
	}
	slices.SortStableFunc(ranked, func(a, b *Finding) int { return rank(a) - rank(b) })
	return ranked
}

// gaps collects what the scan itself could not see, and what of the security context can't be judged
// whatever it has seen.
func (s *Selection) gaps(snap *snapshot.Snapshot) []Unknown {
	needed := s.NeedsSecurity()
	security := snap.HostSecurity != nil && needed
	var unknown []Unknown
	for _, gap := range snap.Coverage.Gaps {
		unknown = append(unknown, Unknown{nil, gap})
	}
	for _, problem := range snap.Inventory.Problems {
		unknown = append(unknown, Unknown{nil, snapshot.Gap{Cause: snapshot.CauseRuntime, Detail: problem}})
	}
	if security && snap.Inventory.Source == inventory.FromCgroups && len(snap.Containers) > 0 {
		security = false
		detail := "the security context of no container can be judged: there is no containerd to ask for what was declared"
		unknown = append(unknown, Unknown{nil, snapshot.Gap{Cause: snapshot.CauseRuntime, Detail: detail}})
	}
	for _, container := range sortedContainers(snap) {
		for _, gap := range container.Unread.Gaps {
			unknown = append(unknown, Unknown{container, gap})
		}
		unknown = append(unknown, s.unseenHeld(container)...)
		for _, gap := range container.Unread.Security {
			if needed { // A saved snapshot may have more in it than is asked for.
				unknown = append(unknown, Unknown{container, gap})
			}
		}
		if gap, ok := unjudged(snap.HostSecurity, container); security && ok && !hasGap(container, gap.Cause) {
			unknown = append(unknown, Unknown{container, gap})
		}
	}
	return unknown
}

// unseenHeld returns why a hold of the host's namespaces that a container has may be missing, but for the
// causes that are reported already.
func (s *Selection) unseenHeld(container *snapshot.Container) []Unknown {
	var unknown []Unknown
	unread := &container.Unread
	for _, gap := range unread.Held {
		if !slices.Contains(unread.Gaps, gap) && (unread.Sockets[socket.TCP] != gap || !s.wants(hostPort())) {
			unknown = append(unknown, Unknown{container, gap})
		}
	}
	return unknown
}

// unjudged says why the security context of a container can't be judged, or not all of it. Each
// check would say the same, so it is said once.
func unjudged(host *snapshot.HostSecurity, container *snapshot.Container) (snapshot.Gap, bool) {
	const what = "its security context can't be judged: "
	security := container.Security
	unread := func(detail string) (snapshot.Gap, bool) {
		return snapshot.Gap{Cause: snapshot.CauseRead, Detail: what + detail}, len(container.Unread.Gaps)+len(container.Unread.Security) == 0
	}
	switch {
	case security != nil && security.Detail != "":
		return snapshot.Gap{Cause: snapshot.CauseRuntime, Detail: what + security.Detail}, true
	case security == nil || security.Spec == nil:
		detail := cmp.Or(container.Declared.Detail, "its runtime spec is not known")
		return snapshot.Gap{Cause: snapshot.CauseRuntime, Detail: what + detail}, true
	case len(container.Processes) == 0, container.Status == inventory.NoTask, container.Status == inventory.Created:
		return snapshot.Gap{}, false // It has not been started, or has ended.
	case !hasCredentials(container):
		return unread("the credentials of its processes were not read")
	case host != nil && !labelled(host, container):
		return unread("how " + string(host.Module) + " confines its processes was not read")
	case container.Mounts == nil && !container.Asks(nsinspect.Mnt): // Those of the host say nothing of it.
		return unread("its mounts were not read")
	}
	return snapshot.Gap{}, false
}

// hasGap reports whether something of a container is known not to have been seen for a cause.
func hasGap(container *snapshot.Container, cause snapshot.Cause) bool {
	return slices.ContainsFunc(slices.Concat(container.Unread.Gaps, container.Unread.Security), func(gap snapshot.Gap) bool { return gap.Cause == cause })
}

func sortedContainers(snap *snapshot.Snapshot) []*snapshot.Container {
	containers := make([]*snapshot.Container, len(snap.Containers))
	for i := range snap.Containers {
		containers[i] = &snap.Containers[i]
	}
	slices.SortStableFunc(containers, compareContainers)
	return containers
}

// compareContainers orders pods by namespace and name, and containers without a pod last.
func compareContainers(a, b *snapshot.Container) int {
	if (a.Pod == nil) != (b.Pod == nil) {
		if a.Pod != nil {
			return -1
		}
		return 1
	}
	if a.Pod != nil {
		order := cmp.Or(
			strings.Compare(a.Pod.Namespace, b.Pod.Namespace),
			strings.Compare(a.Pod.Name, b.Pod.Name),
			strings.Compare(a.Pod.UID, b.Pod.UID),
		)
		if order != 0 {
			return order
		}
	}
	return cmp.Or(
		strings.Compare(a.RuntimeNamespace, b.RuntimeNamespace),
		strings.Compare(a.Name, b.Name),
		strings.Compare(a.ID, b.ID),
	)
}
