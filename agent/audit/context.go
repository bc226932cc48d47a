// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// contextCheck is a check of the security context, which is about one container at a time.
type contextCheck struct {
	traits

	// reads is what of a container it needs beside the runtime spec.
	reads source
	// field is what it needs the kernel to show of credentials, and unread says that the kernel
	// does not.
	field  nsinspect.Fields
	unread string
	// ofSandbox: what a pause container declares counts too. For most checks it does not: it is
	// what the kubelet asks for, and not the pod.
	ofSandbox bool
	// judge returns the verdicts on a container of which the spec is known.
	judge func(s *subject) []contextVerdict
}

// source is what of a container a check needs.
type source uint8

const (
	// fromSpec: the runtime spec says all.
	fromSpec source = iota
	fromCredentials
	fromLabels
	fromMounts
	fromProcesses
)

// Declarers implements check. A container of which the declaration is unknown has no spec to
// compare with, and what gets lost in silence is what a pod asked for.
func (c *contextCheck) Declarers(verdict Verdict) []inventory.Declarer {
	switch verdict {
	case Undeclared:
		return []inventory.Declarer{inventory.ByNobody}
	case NotInEffect:
		return []inventory.Declarer{inventory.ByPod}
	default:
		return c.traits.Declarers(verdict)
	}
}

// contextVerdict is a verdict on one container.
type contextVerdict struct {
	verdict  Verdict
	by       inventory.Declarer
	evidence *SecurityEvidence
}

// undeclared is the verdict on what differs from the declaration.
func undeclared(evidence *SecurityEvidence) contextVerdict {
	return contextVerdict{Undeclared, inventory.ByNobody, evidence}
}

// Judge implements check.
func (c *contextCheck) Judge(node *node) ([]Finding, []Unknown) {
	if node.HostSecurity == nil {
		return nil, nil
	}
	var findings []Finding
	for i := range node.Containers {
		container := &node.Containers[i]
		s, ok := newSubject(node.Snapshot, container)
		if !ok {
			continue
		}
		for _, v := range c.judge(s) {
			if container.Sandbox && !c.ofSandbox && v.by != inventory.ByNobody {
				continue
			}
			findings = append(findings, c.finding(container, v.verdict, v.by, v.evidence))
		}
	}
	return findings, c.hidden(node.Snapshot)
}

// hidden says once if the kernel does not show what the check needs.
func (c *contextCheck) hidden(snap *snapshot.Snapshot) []Unknown {
	for i := range snap.Containers {
		if !knows(&snap.Containers[i], c.field) {
			return []Unknown{{nil, snapshot.Gap{Cause: snapshot.CauseRead, Detail: c.unread}}}
		}
	}
	return nil
}

// knows reports whether the kernel shows a field of all of a container's credentials.
func knows(container *snapshot.Container, field nsinspect.Fields) bool {
	return !slices.ContainsFunc(container.Credentials, func(c snapshot.Credentials) bool { return !c.Known.Has(field) })
}

// Saw implements check.
func (c *contextCheck) Saw(snap *snapshot.Snapshot, container *snapshot.Container) bool {
	if snap.HostSecurity == nil || len(container.Unread.Gaps) > 0 || len(container.Unread.Security) > 0 {
		return false
	}
	if _, ok := newSubject(snap, container); !ok || container.Security.Detail != "" {
		return false // What was declared is a part of what is compared.
	}
	if len(container.Processes) == 0 {
		return true // What its processes had is gone with them.
	}
	switch c.reads {
	case fromCredentials:
		return hasCredentials(container) && knows(container, c.field)
	case fromLabels:
		return hasCredentials(container) && labelled(snap.HostSecurity, container)
	case fromMounts:
		return container.Mounts != nil
	case fromSpec, fromProcesses:
	}
	return true
}

// subject is a container of which the spec is known.
type subject struct {
	*snapshot.Container

	host *snapshot.HostSecurity
	// hostUsers and hostMounts are the host's user and mount namespaces; zero where they were not
	// read.
	hostUsers, hostMounts nsinspect.ID
	spec                  *inventory.SecuritySpec
	// request is nil outside pods.
	request *inventory.SecurityRequest
	// ways are those in which the credentials are weaker than the spec.
	ways snapshot.Weaknesses
}

func newSubject(snap *snapshot.Snapshot, container *snapshot.Container) (*subject, bool) {
	if container.Security == nil || container.Security.Spec == nil {
		return nil, false
	}
	users, _ := snap.Host.Namespaces.Get(nsinspect.User)
	mounts, _ := snap.Host.Namespaces.Get(nsinspect.Mnt)
	return &subject{
		Container: container, host: snap.HostSecurity, hostUsers: users, hostMounts: mounts,
		spec: container.Security.Spec, request: container.Security.Request,
	}, true
}

// allowed is the verdict on what was declared, and is so.
func (s *subject) allowed(evidence *SecurityEvidence) contextVerdict {
	return contextVerdict{Allowed, s.Declared.By, evidence}
}

// inHostUsers reports whether a process is in the host's user namespace.
func (s *subject) inHostUsers(process *snapshot.Process) bool {
	in, ok := namespaceOf(process, nsinspect.User)
	return ok && in == s.hostUsers
}

// inOwnUsers reports whether a process is known to be in the container's user namespace, or in
// the host's. In any other one its capabilities mean nothing: everyone may make one.
func (s *subject) inOwnUsers(process *snapshot.Process) bool {
	in, ok := namespaceOf(process, nsinspect.User)
	return ok && (in == s.UserNamespace || in == s.hostUsers)
}

// namespaceOf returns the namespace of a kind that threads of a process can't differ in.
func namespaceOf(process *snapshot.Process, kind nsinspect.Kind) (nsinspect.ID, bool) {
	for i := range process.Groups {
		if id, ok := process.Groups[i].Namespaces.Get(kind); ok {
			return id, true
		}
	}
	return nsinspect.ID{}, false
}

// isWeaker reports whether threads are weaker than the spec in a way that a second look confirmed.
func (s *subject) isWeaker(way inventory.Weakness, process *snapshot.Process, group *snapshot.CredentialGroup) bool {
	return !group.Unconfirmed.Has(way) && s.ways.Of(s.Container, group.Set, !s.inOwnUsers(process)).Has(way)
}

// weaker collects the threads that are weaker than the spec in a way that a second look confirmed.
func (s *subject) weaker(way inventory.Weakness) *SecurityEvidence {
	return s.evidence(func(process *snapshot.Process, group *snapshot.CredentialGroup, _ *snapshot.Credentials) bool {
		return s.isWeaker(way, process, group)
	})
}

// eachWeaker calls a function for the credentials of those threads.
func (s *subject) eachWeaker(way inventory.Weakness, each func(*snapshot.Process, *snapshot.Credentials)) {
	for i := range s.Processes {
		process := &s.Processes[i]
		for k := range process.Credentials {
			group := &process.Credentials[k]
			if s.isWeaker(way, process, group) {
				each(process, &s.Credentials[group.Set])
			}
		}
	}
}

// seenWhole reports whether the absence of something means anything: there are processes, and the
// credentials of each were read.
func (s *subject) seenWhole() bool {
	return len(s.Processes) > 0 && hasCredentials(s.Container) && len(s.Unread.Gaps) == 0 && len(s.Unread.Security) == 0
}

// hasCredentials reports whether the credentials of each of a container's processes were read.
func hasCredentials(container *snapshot.Container) bool {
	return !slices.ContainsFunc(container.Processes, func(p snapshot.Process) bool { return len(p.Credentials) == 0 })
}
