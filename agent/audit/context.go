// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// The checks of the security context. Each has a file.
const (
	RootUser            Check = "RootUser"
	User                Check = "User"
	Groups              Check = "Groups"
	Privileged          Check = "Privileged"
	Capabilities        Check = "Capabilities"
	PrivilegeEscalation Check = "PrivilegeEscalation"
	Seccomp             Check = "Seccomp"
	AppArmor            Check = "AppArmor"
	SELinux             Check = "SELinux"
	HostUsers           Check = "HostUsers"
	HostUTS             Check = "HostUTS"
	HostCgroup          Check = "HostCgroup"
	HostMount           Check = "HostMount"
	HostRoot            Check = "HostRoot"
	WritableRoot        Check = "WritableRoot"
	ProcUnmasked        Check = "ProcUnmasked"
	HostPath            Check = "HostPath"
	Devices             Check = "Devices"
	Sysctls             Check = "Sysctls"
	Propagation         Check = "Propagation"
	UserRanges          Check = "UserRanges"
	PodSecurityLevel    Check = "PodSecurityLevel"
)

// contextCheck is a check of the security context, which is about one container at a time.
type contextCheck struct {
	traits

	// judge returns the verdicts on a container of which the runtime spec and the credentials are
	// known.
	judge func(container *snapshot.Container, host *snapshot.HostSecurity) []contextVerdict
}

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

// Judge implements check.
func (c *contextCheck) Judge(snap *snapshot.Snapshot) ([]Finding, []Unknown) {
	if snap.HostSecurity == nil {
		return nil, nil
	}
	var findings []Finding
	for i := range snap.Containers {
		container := &snap.Containers[i]
		if container.Security == nil || container.Security.Spec == nil || len(container.Credentials) == 0 {
			continue
		}
		for _, v := range c.judge(container, snap.HostSecurity) {
			findings = append(findings, c.finding(container, v.verdict, v.by, v.evidence))
		}
	}
	return findings, nil
}

// Saw implements check.
func (c *contextCheck) Saw(snap *snapshot.Snapshot, container *snapshot.Container) bool {
	return snap.HostSecurity != nil && len(container.Unread.Gaps) == 0 && len(container.Unread.Security) == 0
}

// SecurityEvidence is the evidence of a check of the security context.
type SecurityEvidence struct {
	// Processes are the first of the processes that it is about, and MoreProcesses counts the
	// rest. There are none where it is about the container as a whole.
	Processes     []ProcessEvidence
	MoreProcesses int
	// Actual is what is there, and Declared what was asked for, each a few words: "uid 0",
	// "SYS_ADMIN", "/var/run/docker.sock (writable)". More counts those beyond the cap.
	Actual, Declared         []string
	MoreActual, MoreDeclared int
}

// Key is empty: other processes do not make it another finding.
func (e *SecurityEvidence) Key() string { return "" }

// evidenceOf collects the processes of which threads have credentials that fit.
func evidenceOf(container *snapshot.Container, fits func(*snapshot.Process, *snapshot.CredentialGroup, *snapshot.Credentials) bool) *SecurityEvidence {
	evidence := &SecurityEvidence{}
	for i := range container.Processes {
		process := &container.Processes[i]
		found := ProcessEvidence{PID: process.PID, Command: process.Command}
		for k := range process.Credentials {
			group := &process.Credentials[k]
			if fits(process, group, &container.Credentials[group.Set]) {
				found.Threads += group.Threads
				found.TIDs = append(found.TIDs, group.TIDs...)
			}
		}
		if found.Threads > 0 {
			found.TIDs = found.TIDs[:min(len(found.TIDs), maxEvidence)]
			evidence.add(found)
		}
	}
	return evidence
}

func (e *SecurityEvidence) add(process ProcessEvidence) {
	if len(e.Processes) == maxEvidence {
		e.MoreProcesses++
		return
	}
	e.Processes = append(e.Processes, process)
}

// weaker collects the processes of which threads are weaker than the spec in a way that a second
// look confirmed.
func weaker(container *snapshot.Container, way inventory.Weakness) *SecurityEvidence {
	spec := container.Security.Spec
	return evidenceOf(container, func(process *snapshot.Process, group *snapshot.CredentialGroup, credentials *snapshot.Credentials) bool {
		found := spec.Weaker(&credentials.Credentials, container.IsNested(process))
		return found.Has(way) && !group.Unconfirmed.Has(way)
	})
}
