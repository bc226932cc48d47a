// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// namespaceCheck asks whether a container is in the host's namespace of one kind.
type namespaceCheck struct {
	traits

	kind nsinspect.Kind
	// ofContext: it is of the security context, which is not read by every scan. bySpec: without
	// the runtime spec, it is not known what was declared.
	ofContext, bySpec bool
}

// Judge implements check.
func (n *namespaceCheck) Judge(node *node) ([]Finding, []Unknown) {
	if n.ofContext && node.HostSecurity == nil {
		return nil, nil
	}
	host, ok := node.Host.Namespaces.Get(n.kind)
	if !ok {
		detail := "the host's " + n.kind.String() + " namespace could not be read, so no container can be compared with it"
		return nil, []Unknown{{nil, snapshot.Gap{Cause: snapshot.CauseHost, Detail: detail}}}
	}
	var verdicts []namespaceVerdict
	for i := range node.Containers {
		if verdict, ok := n.judge(&node.Containers[i], host); ok {
			verdicts = append(verdicts, verdict)
		}
	}
	var findings []Finding
	for _, v := range withoutRepeats(verdicts) {
		findings = append(findings, n.finding(v.container, v.verdict, v.by, v.evidence))
	}
	return findings, nil
}

// Saw implements check.
func (n *namespaceCheck) Saw(snap *snapshot.Snapshot, container *snapshot.Container) bool {
	_, host := snap.Host.Namespaces.Get(n.kind)
	if n.ofContext && (snap.HostSecurity == nil || len(container.Unread.Security) > 0 || !n.canJudge(container)) {
		return false
	}
	if n.bySpec && container.Security.Detail != "" {
		return false // What was declared is not known whole.
	}
	return host && len(container.Unread.Gaps) == 0
}

// canJudge reports whether enough is known of what was declared: of most kinds of the security
// context the runtime spec alone says.
func (n *namespaceCheck) canJudge(container *snapshot.Container) bool {
	return !n.bySpec || container.Security != nil && container.Security.Spec != nil
}

// declared reports whether the host's namespace was asked for. A user namespace that the spec lists
// is one that the container should have, whatever its pod asks for.
func (n *namespaceCheck) declared(container *snapshot.Container) bool {
	asked := container.Asks(n.kind)
	if n.kind == nsinspect.User {
		return asked && slices.Contains(container.Security.Spec.Host, nsinspect.User)
	}
	return asked
}

// namespaceVerdict is the verdict on one container.
type namespaceVerdict struct {
	container *snapshot.Container
	verdict   Verdict
	by        inventory.Declarer
	evidence  *NamespaceEvidence
}

// judge judges one container; false if there is nothing to report.
func (n *namespaceCheck) judge(container *snapshot.Container, host nsinspect.ID) (namespaceVerdict, bool) {
	if !n.canJudge(container) {
		return namespaceVerdict{}, false
	}
	declared := n.declared(container)
	evidence := n.evidence(container, host)
	switch shared := len(evidence.Processes) > 0; {
	case shared && declared && n.askedElsewhere(container):
	case shared && declared:
		return namespaceVerdict{container, Shared, container.Declared.By, evidence}, true
	case shared:
		return namespaceVerdict{container, Undeclared, n.undeclaredBy(container), evidence}, true
	case declared && slices.Contains(n.verdicts, NotInEffect) && fullySeen(container):
		return namespaceVerdict{container, NotInEffect, container.Declared.By, n.elsewhere(container)}, true
	}
	if past := n.past(container, host); past != nil && !declared {
		return namespaceVerdict{container, Undeclared, n.undeclaredBy(container), past}, true
	}
	if !declared && len(n.held(container)) > 0 {
		return namespaceVerdict{container, Held, n.undeclaredBy(container), n.heldEvidence(container, host)}, true
	}
	return namespaceVerdict{}, false
}

// askedElsewhere reports whether what was asked for is in the records of a pause container's
// containers only: where these are not there yet, what the runtime was told is no word of the pod's.
// Containerd 1.6 tells it of no user namespace, whatever the pod asks for.
func (n *namespaceCheck) askedElsewhere(container *snapshot.Container) bool {
	return n.kind == nsinspect.User && container.Sandbox && container.Declared.By == inventory.ByPod
}

// undeclaredBy returns nobody, or unknown where what would declare it could not be read.
func (n *namespaceCheck) undeclaredBy(container *snapshot.Container) inventory.Declarer {
	noSpec := n.ofContext && (container.Security == nil || container.Security.Spec == nil)
	if noSpec {
		return inventory.ByUnknown
	}
	return undeclaredBy(container)
}

// withoutRepeats leaves out the verdicts on pause containers that containers of the same pod
// have too: the pod's sharing is reported once.
func withoutRepeats(verdicts []namespaceVerdict) []namespaceVerdict {
	reported := make(map[inventory.Key]bool)
	for _, v := range verdicts {
		if !v.container.Sandbox {
			reported[v.container.SandboxKey()] = true
		}
	}
	return slices.DeleteFunc(verdicts, func(v namespaceVerdict) bool {
		repeats := v.container.Sandbox && reported[v.container.Key()]
		return repeats && v.verdict != Held && (v.verdict != Undeclared || v.evidence.onlyInit(v.container))
	})
}

// fullySeen reports whether the absence of a namespace means anything: there are processes,
// and nothing of the container was left unread.
func fullySeen(container *snapshot.Container) bool {
	return len(container.Processes) > 0 && len(container.Unread.Gaps) == 0
}
