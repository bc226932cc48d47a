// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// Note says in a sentence what was found of a container, who declared it and by which
// evidence. The sentence follows the container's name; declared is the container's declaration.
func Note(finding *v1alpha1.Finding, declared *v1alpha1.Declaration, limits Limits) string {
	if len(finding.Evidence.Ports) > 0 {
		return portNote(finding, declared, limits)
	}
	if isSecurity(&finding.Evidence) {
		return securityNote(finding, limits)
	}
	return namespaceNote(finding, declared, limits)
}

func namespaceNote(finding *v1alpha1.Finding, declared *v1alpha1.Declaration, limits Limits) string {
	evidence := &finding.Evidence
	kind, id := kindWord(evidence.Kind), Namespace(evidence)
	processes := processesText(evidence.Processes, evidence.MoreProcesses, limits.Processes)
	if evidence.JoinedPath != "" {
		processes += ", joined by path " + evidence.JoinedPath
	}
	switch {
	case evidence.Past:
		return fmt.Sprintf("was in the host's %s namespace %s, %s, %s; it has left: %s.", kind, id, pastText(evidence), declaration(finding, declared), processes)
	case finding.Verdict == v1alpha1.Held:
		return fmt.Sprintf("has a hold of the host's %s namespace %s without being in it, %s: %s.",
			kind, id, declaration(finding, declared), Evidence(evidence, limits))
	case finding.Verdict != v1alpha1.NotInEffect:
		return fmt.Sprintf("shares the host's %s namespace %s, %s: %s.", kind, id, declaration(finding, declared), processes)
	case len(evidence.Processes) == 0:
		return fmt.Sprintf("does not share the host's %s namespace, though %s declares that.", kind, declarer(finding))
	default:
		return fmt.Sprintf("does not share the host's %s namespace, though %s declares that: %s in %s.",
			kind, declarer(finding), processes, id)
	}
}

func kindWord(kind v1alpha1.Kind) string {
	switch kind {
	case "net":
		return "network"
	case "pid":
		return "PID"
	case "ipc":
		return "IPC"
	case "uts":
		return "UTS"
	case "mnt":
		return "mount"
	default:
		return string(kind)
	}
}

func portNote(finding *v1alpha1.Finding, declared *v1alpha1.Declaration, limits Limits) string {
	evidence := &finding.Evidence
	word := "port"
	if len(evidence.Ports)+evidence.MorePorts > 1 {
		word = "ports"
	}
	ports := word + " " + Evidence(evidence, limits)
	switch finding.Verdict {
	case v1alpha1.NotInEffect:
		return fmt.Sprintf("is not reachable on host %s, though %s declares that: %s.", ports, declarer(finding), missing(declared))
	case v1alpha1.Unlisted:
		return fmt.Sprintf("is reachable on host %s: %s declares the host's network, and does not list the %s.", ports, declarer(finding), word)
	case v1alpha1.Hijacks:
		return fmt.Sprintf("receives what comes to host %s, though that is another container's.", ports)
	case v1alpha1.Shadows:
		return fmt.Sprintf("receives the traffic to host %s; %s.", ports, shadows(evidence))
	case v1alpha1.Held: // It is about no port.
	}
	if finding.DeclaredBy.Declared() {
		return fmt.Sprintf("is reachable on host %s, declared by %s.", ports, declarer(finding))
	}
	return fmt.Sprintf("is reachable on host %s, %s.", ports, declaration(finding, declared))
}

// missing says what would have to be there.
func missing(declared *v1alpha1.Declaration) string {
	if slices.Contains(declared.Host, "net") {
		return "none of its processes listens there"
	}
	return "no rule of the host forwards it"
}

// shadows says which listeners receive nothing.
func shadows(evidence *v1alpha1.Evidence) string {
	switch text, n := Shadowed(evidence); n {
	case 0:
		return "another socket also listens there and receives none"
	case 1:
		return text + " also listens there and receives none"
	default:
		return text + " also listen there and receive none"
	}
}

func declarer(finding *v1alpha1.Finding) string {
	if finding.DeclaredBy == v1alpha1.BySpec {
		return "its runtime spec"
	}
	return "its pod"
}

func declaration(finding *v1alpha1.Finding, declared *v1alpha1.Declaration) string {
	switch finding.DeclaredBy {
	case v1alpha1.ByPod, v1alpha1.BySpec:
		return "as " + declarer(finding) + " declares"
	case v1alpha1.ByNobody:
		return "which nobody declared"
	default:
		if cause := cmp.Or(declared.Reason, declared.PortsReason); cause != "" {
			return "and it is unknown whether that was declared (" + cause + ")"
		}
		return "and it is unknown whether that was declared"
	}
}
