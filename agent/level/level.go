// SPDX-License-Identifier: Apache-2.0

// Package level says which of Kubernetes' Pod Security Standards the kernel really enforces on
// the pods of a node, and which one their declarations would be given.
//
// It is pure. What the node can't show is not guessed: a control that could not be verified is
// named, and the level of a declaration is an interval.
package level

import (
	"cmp"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// Level is a level of the Pod Security Standards.
type Level string

// The levels, the least restricted first, and Unknown where something could not be read without
// which none can be given.
const (
	Privileged Level = "privileged"
	Baseline   Level = "baseline"
	Restricted Level = "restricted"
	Unknown    Level = "unknown"
)

// Levels returns all levels, the least restricted first, and Unknown.
func Levels() []Level { return []Level{Privileged, Baseline, Restricted, Unknown} }

// rank orders the levels as [Levels] does.
func (l Level) rank() int { return slices.Index(Levels(), l) }

// Below reports whether a level restricts less than another. Of Unknown nothing is known.
func (l Level) Below(other Level) bool {
	return l != Unknown && other != Unknown && l.rank() < other.rank()
}

// weakest returns the lower of two levels. Nothing is lower than Privileged, so that stands
// beside something unknown; another level does not.
func weakest(a, b Level) Level {
	switch {
	case a == Privileged || b == Privileged:
		return Privileged
	case a == Unknown || b == Unknown:
		return Unknown
	case b.Below(a):
		return b
	}
	return a
}

// Pod is the level of a pod.
type Pod struct {
	Pod *inventory.Pod
	// Enforced is the level that the kernel enforces: that of the weakest of its containers.
	Enforced Level
	// Declared is the level that the API server's admission would give the pod, as far as the
	// node knows what it declares.
	Declared Interval
	// Lowered: the kernel's is below the lowest that the declaration allows.
	Lowered bool
	// Containers are those of the pod, without its pause container.
	Containers []Container
	// Violations are what keeps it from a higher level, first what Baseline forbids: of each
	// container one at most for each control.
	Violations []Violation
	// Unverified are the controls that the node can't show, or of which something was not read.
	Unverified []string
}

// Interval is the levels between two, with both. Both are Unknown where the declaration was not
// read.
type Interval struct{ Lowest, Highest Level }

// Container is the level of a container.
type Container struct {
	Container *snapshot.Container
	Enforced  Level
}

// Violation is something that a level forbids.
type Violation struct {
	// Level is the lowest that forbids it, and Control its name in the standards.
	Level   Level
	Control string
	// Container is the container's name in the pod; empty for the pod as a whole.
	Container string
	// Detail says what was found. Parts of it may come from hostile hands: escape it before it
	// is shown.
	Detail string
}

// Of returns the levels of the pods of a snapshot, by namespace and name. Without the host's
// security context there are none.
func Of(snap *snapshot.Snapshot) []Pod {
	if snap.HostSecurity == nil {
		return nil
	}
	node, admission := nodeOf(snap), latestAdmission()
	var pods []Pod
	for _, members := range groupByPod(snap) {
		pod := node.pod(members)
		pod.Declared = admission.interval(members)
		pod.Lowered = pod.Enforced.Below(pod.Declared.Lowest)
		pods = append(pods, pod)
	}
	return pods
}

// pod judges the containers of a pod by what the kernel shows of them.
func (n *node) pod(members []*snapshot.Container) Pod {
	pod := Pod{Pod: members[0].Pod, Enforced: Restricted}
	unverified := controlSet(0).with(hostProbes) // The kubelet does not tell the runtime of probes.
	for _, container := range members {
		judged := n.judge(container)
		pod.Enforced = weakest(pod.Enforced, judged.level())
		pod.Violations = append(pod.Violations, judged.violations...)
		unverified |= judged.unverified
		if !container.Sandbox {
			pod.Containers = append(pod.Containers, Container{Container: container, Enforced: judged.level()})
		}
	}
	slices.SortStableFunc(pod.Violations, func(a, b Violation) int {
		return cmp.Compare(a.Level.rank(), b.Level.rank())
	})
	pod.Unverified = unverified.names()
	return pod
}

// groupByPod returns the containers of each pod that has any beside its pause container, in a
// stable order.
func groupByPod(snap *snapshot.Snapshot) [][]*snapshot.Container {
	members := make(map[inventory.PodKey][]*snapshot.Container)
	for i := range snap.Containers {
		if container := &snap.Containers[i]; container.Pod != nil {
			key := container.Pod.Key()
			members[key] = append(members[key], container)
		}
	}
	keys := make([]inventory.PodKey, 0, len(members))
	for key, containers := range members {
		if slices.ContainsFunc(containers, func(c *snapshot.Container) bool { return !c.Sandbox }) {
			keys = append(keys, key)
		}
	}
	for _, ended := range snap.EndedInPods() {
		key := ended.Pod.Key()
		members[key] = append(members[key], &snapshot.Container{Container: *ended})
	}
	slices.SortFunc(keys, inventory.PodKey.Compare)
	pods := make([][]*snapshot.Container, len(keys))
	for i, key := range keys {
		pods[i] = members[key]
		slices.SortStableFunc(pods[i], func(a, b *snapshot.Container) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
		})
	}
	return pods
}
