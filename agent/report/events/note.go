package events

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

const (
	// maxPart caps a text from a container in a note, in bytes, so that a long one can't
	// push the verdict out of it.
	maxPart = 100
	// maxNamed is how many processes a note names.
	maxNamed = 3
)

// podSubject names a container of the pod that the Event is about.
func podSubject(container *snapshot.Container) string {
	switch {
	case container.Sandbox:
		return "The pause container"
	case container.Name == "":
		return "A container"
	}
	return "Container " + part(container.Name)
}

// nodeSubject names a container among all of the node's.
func nodeSubject(container *snapshot.Container) string {
	var b strings.Builder
	if container.Sandbox {
		b.WriteString("Pause container ")
	} else {
		b.WriteString("Container ")
	}
	runtime := container.RuntimeNamespace
	if runtime == "" {
		runtime = container.Runtime
	}
	b.WriteString(part(runtime) + "/" + part(container.ID))
	if container.Name != "" {
		b.WriteString(" named " + part(container.Name))
	}
	if container.Image != "" {
		b.WriteString(" of image " + part(container.Image))
	}
	switch pod := container.Pod; {
	case pod == nil:
	case pod.Name == "":
		b.WriteString(" in the pod with UID " + part(pod.UID))
	default:
		b.WriteString(" in pod " + part(pod.Namespace) + "/" + part(pod.Name))
	}
	return b.String()
}

// verdict says what is shared, who declared it, and by which evidence.
func verdict(finding *audit.Finding) string {
	evidence := report.CleanEvidence(finding.Evidence, part)
	if finding.Check == audit.HostPort {
		return portVerdict(finding, &evidence)
	}
	kind := kindWord(evidence.Kind)
	id := fmt.Sprintf("%s:[%d]", evidence.Kind, evidence.Namespace.Ino)
	switch {
	case finding.Verdict != audit.NotInEffect:
	case len(evidence.Processes) == 0:
		return fmt.Sprintf("does not share the host's %s namespace, though %s declares that.", kind, declarer(finding))
	default:
		return fmt.Sprintf("does not share the host's %s namespace, though %s declares that: %s in %s.",
			kind, declarer(finding), processes(&evidence), id)
	}
	return fmt.Sprintf("shares the host's %s namespace %s, %s: %s.",
		kind, id, declaration(finding), processes(&evidence))
}

func kindWord(kind nsinspect.Kind) string {
	switch kind {
	case nsinspect.Net:
		return "network"
	case nsinspect.PID:
		return "PID"
	case nsinspect.IPC:
		return "IPC"
	default:
		return kind.String()
	}
}

func declarer(finding *audit.Finding) string {
	if finding.DeclaredBy == inventory.BySpec {
		return "its runtime spec"
	}
	return "its pod"
}

func declaration(finding *audit.Finding) string {
	switch finding.DeclaredBy {
	case inventory.ByPod, inventory.BySpec:
		return "as " + declarer(finding) + " declares"
	case inventory.ByNobody:
		return "which nobody declared"
	default:
		if reason := cmp.Or(finding.Container.Declared.Detail, finding.Container.Declared.PortsDetail); reason != "" {
			return "and it is unknown whether that was declared (" + part(reason) + ")"
		}
		return "and it is unknown whether that was declared"
	}
}

func processes(evidence *audit.Evidence) string {
	text := report.ProcessesText(evidence.Processes, evidence.MoreProcesses, maxNamed)
	if evidence.JoinedPath != "" {
		text += ", joined by path " + evidence.JoinedPath
	}
	return text
}

// part makes a text from a container fit for a note.
func part(text string) string { return cut(report.Clean(text), maxPart) }

const ellipsis = "…"

// cut shortens a text to a number of bytes, between two runes, and shows that it did.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit - len(ellipsis)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}
