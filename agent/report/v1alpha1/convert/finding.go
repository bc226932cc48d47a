// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// Finding returns a finding as the documents have it, its texts made fit to be shown by clean.
func Finding(finding *audit.Finding, clean func(string) string) v1alpha1.Finding {
	document := v1alpha1.Finding{
		ID:         finding.ID,
		Check:      v1alpha1.Check(finding.Check),
		Verdict:    v1alpha1.Verdict(finding.Verdict),
		Severity:   v1alpha1.Severity(finding.Severity),
		DeclaredBy: v1alpha1.Declarer(finding.DeclaredBy),
		Reason:     finding.Reason(),
		Pod:        pod(finding.Container.Pod, clean),
		Container:  containerRef(finding.Container, clean),
		Evidence:   evidence(finding.Evidence, clean),
		Controls:   finding.Controls,
	}
	if ruling := finding.Ruling; ruling != nil {
		rule := &v1alpha1.PolicyRule{Rule: clean(ruling.Rule), Reason: clean(ruling.Reason)}
		if ruling.Expected {
			document.Expected = rule
		} else {
			document.SeverityFrom = rule
		}
	}
	return document
}

// evidence converts the evidence of each family of checks.
func evidence(evidence audit.Evidence, clean cleaner) v1alpha1.Evidence {
	switch e := evidence.(type) {
	case *audit.NamespaceEvidence:
		converted := v1alpha1.Evidence{
			Kind:          v1alpha1.Kind(e.Kind.String()),
			Namespace:     v1alpha1.NamespaceID(e.Namespace),
			Processes:     processes(e.Processes, clean),
			MoreProcesses: e.MoreProcesses,
			JoinedPath:    clean(e.JoinedPath),
			Held: each(e.Held, func(h snapshot.Held) v1alpha1.Hold {
				return v1alpha1.Hold{Way: string(h.Way), PID: h.PID, Command: clean(h.Command), Detail: clean(h.Detail)}
			}),
			MoreHeld: e.MoreHeld,
		}
		if past := e.Past; past != nil {
			first, last := past.First.UTC(), past.Last.UTC()
			converted.Past, converted.First, converted.Last, converted.Count = true, &first, &last, past.Count
		}
		return converted
	case *audit.HostPortEvidence:
		return v1alpha1.Evidence{
			Kind:      v1alpha1.Kind(nsinspect.Net.String()),
			Namespace: v1alpha1.NamespaceID(e.Namespace),
			Ports:     each(e.Ports, func(p audit.PortEvidence) v1alpha1.Port { return port(&p, clean) }),
			MorePorts: e.MorePorts,
		}
	case *audit.SecurityEvidence:
		return v1alpha1.Evidence{
			Actual:        each(e.Actual, clean),
			Declared:      each(e.Declared, clean),
			MoreActual:    e.MoreActual,
			MoreDeclared:  e.MoreDeclared,
			Processes:     processes(e.Processes, clean),
			MoreProcesses: e.MoreProcesses,
		}
	default:
		return v1alpha1.Evidence{}
	}
}

func processes(processes []audit.ProcessEvidence, clean cleaner) []v1alpha1.Process {
	return each(processes, func(p audit.ProcessEvidence) v1alpha1.Process {
		return v1alpha1.Process{PID: p.PID, Command: clean(p.Command), Executable: clean(p.Executable), Threads: p.Threads, TIDs: p.TIDs, LeftCgroup: p.Left}
	})
}

func port(port *audit.PortEvidence, clean cleaner) v1alpha1.Port {
	converted := v1alpha1.Port{
		Protocol:            v1alpha1.Protocol(port.Protocol),
		HostAddress:         address(port.HostAddress),
		HostPort:            port.HostPort,
		LastPort:            port.LastPort,
		ContainerPort:       port.ContainerPort,
		Way:                 string(port.Way),
		Processes:           processes(port.Processes, clean),
		MoreProcesses:       port.MoreProcesses,
		OtherContainers:     each(port.OtherContainers, clean),
		MoreOtherContainers: port.MoreOtherContainers,
		DeclaredFor:         each(port.DeclaredFor, clean),
		MoreDeclaredFor:     port.MoreDeclaredFor,
		Shadows:             each(port.Shadows, func(s audit.ShadowEvidence) v1alpha1.Shadow { return shadow(&s, clean) }),
		MoreShadows:         port.MoreShadows,
	}
	if rule := port.Rule; rule != nil {
		converted.Rule = &v1alpha1.Rule{
			Way: string(rule.Backend), Table: clean(rule.Table), Chain: clean(rule.Chain), Target: endpoint(rule.Target),
			LastTarget: address(rule.LastTarget), Named: clean(rule.Named),
		}
	}
	return converted
}

func shadow(shadow *audit.ShadowEvidence, clean cleaner) v1alpha1.Shadow {
	return v1alpha1.Shadow{
		Address: endpoint(shadow.Address), UID: shadow.UID,
		Processes: processes(shadow.Processes, clean), MoreProcesses: shadow.MoreProcesses,
	}
}
