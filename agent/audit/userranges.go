// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// UserRanges asks whether pods with user namespaces of their own share a range of the host's user
// or group ids: these can then reach each other's files and processes, should they break out.
const UserRanges Check = "UserRanges"

// userRangesCheck is the check UserRanges.
type userRangesCheck struct{ contextCheck }

func userRanges() *userRangesCheck {
	return &userRangesCheck{contextCheck{
		traits: traits{
			name:     UserRanges,
			verdicts: []Verdict{Overlaps},
		},
		reads: fromProcesses,
	}}
}

// Judge implements check.
func (u *userRangesCheck) Judge(node *node) ([]Finding, []Unknown) {
	if node.HostSecurity == nil {
		return nil, nil
	}
	uids, gids := rangesOf(node.Snapshot)
	shared := overlaps(uids, "uids")
	for pod, text := range overlaps(gids, "gids") {
		if shared[pod] == "" {
			shared[pod] = text
		}
	}
	var findings []Finding
	for i := range node.Containers {
		container := &node.Containers[i]
		if text := shared[container.SandboxKey()]; text != "" && !container.Sandbox && container.SandboxID != "" {
			evidence := new(SecurityEvidence)
			evidence.actual(text)
			findings = append(findings, u.finding(container, Overlaps, inventory.ByNobody, evidence))
		}
	}
	return findings, nil
}

// podRange is a range of the host's ids that a pod has.
type podRange struct {
	nsinspect.IDRange

	pod  inventory.Key
	name string
}

// end returns the first id after the range.
func (r *podRange) end() uint64 { return uint64(r.Outside) + uint64(r.Count) }

// rangesOf returns the ranges of the pods that have user namespaces of their own.
func rangesOf(snap *snapshot.Snapshot) (uids, gids []podRange) {
	host, _ := snap.Host.Namespaces.Get(nsinspect.User)
	for i := range snap.Containers {
		container := &snap.Containers[i]
		if container.SandboxID == "" || container.UserNamespace == host {
			continue
		}
		at := slices.IndexFunc(container.UserNamespaces, func(n snapshot.UserNamespace) bool { return n.ID == container.UserNamespace })
		if at < 0 {
			continue
		}
		maps := &container.UserNamespaces[at].Maps
		for _, r := range maps.UIDs {
			uids = append(uids, podRange{r, container.SandboxKey(), podName(container)})
		}
		for _, r := range maps.GIDs {
			gids = append(gids, podRange{r, container.SandboxKey(), podName(container)})
		}
	}
	return uids, gids
}

func podName(container *snapshot.Container) string {
	if container.Pod == nil {
		return container.SandboxID
	}
	return container.Pod.Namespace + "/" + container.Pod.Name
}

// overlaps says, by pod, which range another pod has too. It takes the ranges by their beginnings:
// one that begins before another one of the same or another pod has ended overlaps it. Of those
// that have not ended, the two that end last and are of different pods are enough: a pod that is
// neither has been found to overlap when the later of them began.
func overlaps(ranges []podRange, ids string) map[inventory.Key]string {
	slices.SortStableFunc(ranges, func(a, b podRange) int { return cmp.Compare(a.Outside, b.Outside) })
	found := make(map[inventory.Key]string)
	note := func(of, with *podRange) {
		if found[of.pod] == "" {
			found[of.pod] = fmt.Sprintf("%s %d-%d, as pod %s", ids, with.Outside, with.end()-1, with.name)
		}
	}
	var last, second *podRange
	for i := range ranges {
		r := &ranges[i]
		for _, earlier := range []*podRange{last, second} {
			if earlier != nil && earlier.pod != r.pod && earlier.end() > uint64(r.Outside) {
				note(r, earlier)
				note(earlier, r)
			}
		}
		switch {
		case last == nil || r.end() > last.end():
			if last != nil && last.pod != r.pod {
				second = last
			}
			last = r
		case r.pod != last.pod && (second == nil || r.end() > second.end()):
			second = r
		}
	}
	return found
}
