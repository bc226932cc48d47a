// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"time"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// HostPort asks which ports of the host lead into a container: by a socket in the host's
// network, or by a rule that forwards to the container.
const HostPort Check = "HostPort"

// grace is how long a container in the host's network may take to listen before a port that
// it declared counts as not in effect. A forward has none: it is there before the container.
const grace = time.Minute

// hostPortCheck is the check HostPort.
type hostPortCheck struct{ traits }

func hostPort() *hostPortCheck {
	return &hostPortCheck{traits{
		name:     HostPort,
		verdicts: []Verdict{Bound, Unlisted, Undeclared, NotInEffect, Shadows, Hijacks},
		controls: []string{"CIS Kubernetes 5.2.12", "CIS Docker 5.8", "PSS baseline: Host Ports"},
	}}
}

// Judge implements check. Without the host's network there is no verdict, which HostNetwork
// reports.
func (h *hostPortCheck) Judge(node *node) ([]Finding, []Unknown) {
	host, ok := node.Host.Namespaces.Get(nsinspect.Net)
	if !ok {
		return nil, nil
	}
	judge := portJudge{
		listening: listening(node.Snapshot),
		verdicts:  make(map[verdictKey]*portList),
		unknown:   unseenPorts(node.Snapshot),
	}
	pods := podsOf(node.Snapshot)
	judge.claim(pods)
	for number, pod := range pods {
		judge.pod(number, pod)
	}
	var findings []Finding
	for _, key := range judge.sorted() {
		evidence := judge.verdicts[key].evidence(host)
		findings = append(findings, h.finding(key.container, key.verdict, key.by, evidence))
	}
	return findings, judge.unknown
}

// Saw implements check. Ways into a container that can't be understood don't count: what was
// found before was found another way. For a declared port they are why it counts as unknown, as
// it also does while its container may still begin to listen.
func (h *hostPortCheck) Saw(snap *snapshot.Snapshot, container *snapshot.Container) bool {
	_, host := snap.Host.Namespaces.Get(nsinspect.Net)
	unread := &container.Unread
	verifiable := len(container.Declared.Ports) == 0 || len(unread.Opaque) == 0 && !isYoung(container)
	return host && verifiable && len(unread.Gaps) == 0 && len(unread.Sockets) == 0 && len(unread.Forwards) == 0
}

// isYoung reports whether a container in the host's network may not listen yet.
func isYoung(container *snapshot.Container) bool {
	return container.Age < grace && container.Declared.Asks(nsinspect.Net)
}

// podsOf groups the containers of each pod; one without a pod is a group of its own.
func podsOf(snap *snapshot.Snapshot) [][]*snapshot.Container {
	var pods [][]*snapshot.Container
	index := make(map[inventory.Key]int)
	for i := range snap.Containers {
		container := &snap.Containers[i]
		key := container.Key()
		if container.SandboxID != "" {
			key = container.SandboxKey()
		}
		at, ok := index[key]
		if !ok {
			at = len(pods)
			index[key] = at
			pods = append(pods, nil)
		}
		pods[at] = append(pods[at], container)
	}
	return pods
}
