// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// pauseName is how reports, and rules, name a pause container.
const pauseName = "(pause)"

// subject is a finding as rules see it.
type subject struct {
	*audit.Finding

	// node is where it is, and at the time that expiry dates are compared with.
	node string
	at   time.Time
	// pod is the container's; the zero value for none.
	pod inventory.Pod
	// name is the container's.
	name string
}

func newSubject(finding *audit.Finding, snap *snapshot.Snapshot) subject {
	s := subject{Finding: finding, node: snap.Node, at: snap.Time, name: containerName(finding.Container)}
	if pod := finding.Container.Pod; pod != nil {
		s.pod = *pod
	}
	return s
}

// containerName is the name that rules know a container by: outside pods, where a runtime may
// give none, its id.
func containerName(container *snapshot.Container) string {
	if container.Sandbox {
		return pauseName
	}
	return cmp.Or(container.Name, container.ID)
}

// matches reports whether the rule matches the finding, whatever its ports.
func (r *rule) matches(s *subject) bool {
	return r.checks.has(s.Check) &&
		r.verdicts.has(s.Verdict) &&
		s.DeclaredBy != inventory.ByUnknown && r.declarers.has(s.DeclaredBy) &&
		r.holds(s.at) &&
		r.matchesWho(s)
}

func (r *rule) matchesWho(s *subject) bool {
	return (r.podUID == "" || r.podUID == s.pod.UID) &&
		matchesPod(r.namespaces, s.pod.Namespace) &&
		matchesPod(r.pods, s.pod.Name) &&
		r.containers.matches(s.name) &&
		r.images.matches(s.Container.Image) &&
		r.nodes.matches(s.node) &&
		r.selects(s.pod.Labels)
}

// matchesPod matches a part that names pods with a name of the pod, which is empty for a
// container outside pods: no pattern matches that.
func matchesPod(part patterns, name string) bool {
	return len(part) == 0 || name != "" && part.matches(name)
}

// selects reports whether the pod's labels are those that the rule asks for. The kubelet adds
// labels of its own to those of each pod, so there are none only where they could not be read.
func (r *rule) selects(pod labels.Set) bool {
	return r.selector == nil || len(pod) > 0 && r.selector.Matches(pod)
}
