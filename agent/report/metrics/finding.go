package metrics

import (
	"cmp"
	"strconv"
	"unicode/utf8"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// findingLabels are the values of findingLabelNames. Two containers of a pod may go by one
// name, as a new one does while the old one still ends, so the id is among them.
type findingLabels [7]string

func findingLabelNames() []string {
	return []string{"namespace", "pod", "container", "container_id", "check", "declared_by", "reason"}
}

func labelsOf(finding *audit.Finding) findingLabels {
	container := finding.Container
	var namespace, pod string
	if container.Pod != nil {
		namespace, pod = container.Pod.Namespace, container.Pod.Name
	}
	return findingLabels{
		label(namespace), label(pod), label(containerName(container)), label(container.ID),
		label(string(finding.Check)), label(string(finding.DeclaredBy)), label(finding.Reason()),
	}
}

// portLabels are the values of portLabelNames.
type portLabels [10]string

func portLabelNames() []string {
	return []string{
		"namespace", "pod", "container", "container_id", "declared_by", "reason",
		"protocol", "host_address", "host_port", "way",
	}
}

func portLabelsOf(finding *audit.Finding, port *audit.PortEvidence) portLabels {
	f := labelsOf(finding)
	number := strconv.Itoa(int(port.HostPort))
	if port.LastPort > port.HostPort {
		number += "-" + strconv.Itoa(int(port.LastPort))
	}
	address := ""
	if port.HostAddress.IsValid() {
		address = port.HostAddress.String()
	}
	return portLabels{
		f[0], f[1], f[2], f[3], f[5], f[6],
		label(string(port.Protocol)), address, number, cmp.Or(port.Way, "none"),
	}
}

// containerName names a container of a pod as the pod does, and others by their containerd
// namespace, or else their runtime, and id.
func containerName(container *snapshot.Container) string {
	switch {
	case container.Pod != nil && container.Sandbox:
		return "(pause)"
	case container.Pod != nil && container.Name != "":
		return container.Name
	}
	return cmp.Or(container.RuntimeNamespace, container.Runtime, "unknown") + "/" + container.ID
}

// undeclaredFirst orders findings for a cap: what was declared is left out first.
func undeclaredFirst(findings []audit.Finding) []*audit.Finding {
	ordered := make([]*audit.Finding, 0, len(findings))
	var declared []*audit.Finding
	for i := range findings {
		finding := &findings[i]
		if !finding.Undeclared() {
			declared = append(declared, finding)
		} else {
			ordered = append(ordered, finding)
		}
	}
	return append(ordered, declared...)
}

// maxLabel caps the bytes of a label's value.
const maxLabel = 256

// label makes a text, whoever chose it, fit to be a label's value.
func label(text string) string {
	const mark = "…"
	text = report.Clean(text)
	if len(text) <= maxLabel {
		return text
	}
	end := maxLabel - len(mark)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}
