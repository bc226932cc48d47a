// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// Tracker follows findings from one result of a node to the next. The zero value knows none.
type Tracker struct {
	// open are the findings that have begun and not ended, by ID.
	open map[string]*Finding
}

// maxOpen caps the findings that stay open without being seen.
const maxOpen = 10_000

// Next returns the result with what has changed since the one before.
//
// Not seen is not ended: a finding that is missing stays open until its container is known to
// be gone, or was seen without it.
func (t *Tracker) Next(result *Result) *Result {
	next := *result
	now, expected := announced(result)
	open := make(map[string]*Finding, len(now))
	for i := range result.Findings {
		finding := &result.Findings[i]
		if now[finding.ID] != finding {
			continue
		}
		open[finding.ID] = finding
		if t.open[finding.ID] == nil {
			next.Began = append(next.Began, finding)
		}
	}
	for _, finding := range t.missing(now) {
		switch after := expected[finding.ID]; {
		case after != nil:
			next.Ended = append(next.Ended, after)
		case absent(result.Snapshot, finding):
			next.Ended = append(next.Ended, finding)
		case len(open) < maxOpen:
			open[finding.ID] = detached(finding)
		}
	}
	t.open = open
	return &next
}

// announced returns the findings that are announced, by ID: those that are not expected, and
// those that are and have no part that isn't.
func announced(result *Result) (now, expected map[string]*Finding) {
	now, expected = make(map[string]*Finding), make(map[string]*Finding)
	for i := range result.Findings {
		finding := &result.Findings[i]
		into := now
		if finding.Expected() {
			into = expected
		}
		// Two containers may be one for people, as an old and a new one of the same name are.
		if !finding.Deferred && into[finding.ID] == nil {
			into[finding.ID] = finding
		}
	}
	return now, expected
}

// missing returns the open findings that are not among those, in a stable order.
func (t *Tracker) missing(now map[string]*Finding) []*Finding {
	var missing []*Finding
	for id, finding := range t.open {
		if now[id] == nil {
			missing = append(missing, finding)
		}
	}
	slices.SortFunc(missing, func(a, b *Finding) int {
		return cmp.Or(compareContainers(a.Container, b.Container), cmp.Compare(a.Reason(), b.Reason()), cmp.Compare(a.ID, b.ID))
	})
	return missing
}

// absent reports whether it is certain that a finding is not there any more: its container is
// gone, or was seen without it, and so was every other that is the same one for people.
func absent(snap *snapshot.Snapshot, finding *Finding) bool {
	if snap.Host.PID == 0 {
		return false // Nothing can be compared.
	}
	if snap.Inventory.Source == inventory.FromCgroups && !finding.Anonymous {
		return false // No runtime was asked, so no container has its name.
	}
	check := checkNamed(finding.Check)
	found := false
	for i := range snap.Containers {
		container := &snap.Containers[i]
		same := container.Key() == finding.Container.Key()
		found = found || same
		if (same || succeeds(container, finding.Container)) && !check.Saw(snap, container) {
			return false
		}
	}
	return found || isGone(snap, finding.Container)
}

// succeeds reports whether a container is another one of the same pod and name, as after a
// restart.
func succeeds(container, before *snapshot.Container) bool {
	return container.Name == before.Name && container.Sandbox == before.Sandbox &&
		container.Pod != nil && before.Pod != nil && container.Pod.Name != "" && container.Pod.UID == before.Pod.UID &&
		container.Pod.Name == before.Pod.Name && container.Pod.Namespace == before.Pod.Namespace
}

// isGone reports whether a container that is not in the snapshot is certain to be gone: by the
// word of a runtime that has answered all that it was asked, or because every process was seen
// and none is in its cgroup. A runtime does not know a container that has only a cgroup.
func isGone(snap *snapshot.Snapshot, container *snapshot.Container) bool {
	listed := container.RuntimeName != "" && len(snap.Inventory.Problems) == 0
	unlisted := !slices.ContainsFunc(snap.Containers, func(c snapshot.Container) bool { return c.ID == container.ID })
	return listed || len(snap.Coverage.Gaps) == 0 && unlisted
}

func checkNamed(name Check) check {
	all := checks()
	return all[slices.IndexFunc(all, func(c check) bool { return c.Name() == name })]
}

// detached returns a copy that keeps nothing else of its snapshot in memory.
func detached(finding *Finding) *Finding {
	copied, container := *finding, *finding.Container
	copied.Container = &container
	return &copied
}
