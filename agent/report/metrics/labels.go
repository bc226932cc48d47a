// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// kindLabels are the values of kindLabelNames. They are words of package audit, which no
// container chooses, so they are few.
type kindLabels [4]string

func kindLabelNames() []string { return []string{"check", "verdict", "declared_by", "severity"} }

func kindLabelsOf(kind audit.Kind) kindLabels {
	return kindLabels{
		label(string(kind.Check)), label(string(kind.Verdict)), label(string(kind.DeclaredBy)), label(string(kind.Severity)),
	}
}

// findingLabels are the values of findingLabelNames. Two containers of a pod may go by one
// name, as a new one does while the old one still ends, so the id is among them.
type findingLabels [9]string

func findingLabelNames() []string {
	return []string{
		"namespace", "pod", "container", "container_id", "declared_by", "reason", "severity", "finding_id",
		"check",
	}
}

func labelsOf(finding *v1alpha1.Finding) findingLabels {
	subject := report.Subject{Pod: finding.Pod, Container: finding.Container}
	var pod v1alpha1.Pod
	if finding.Pod != nil {
		pod = *finding.Pod
	}
	return findingLabels{
		short(pod.Namespace), short(pod.Name), short(subject.UniqueName()), short(finding.Container.ID),
		label(string(finding.DeclaredBy)), label(finding.Reason), label(string(finding.Severity)), label(finding.ID),
		label(string(finding.Check)),
	}
}

// portLabels are the values of portLabelNames.
type portLabels [12]string

func portLabelNames() []string {
	return []string{
		"namespace", "pod", "container", "container_id", "declared_by", "reason", "severity", "finding_id",
		"protocol", "host_address", "host_port", "way",
	}
}

func portLabelsOf(finding *v1alpha1.Finding, port *v1alpha1.Port) portLabels {
	f := labelsOf(finding)
	return portLabels{
		f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7],
		label(string(port.Protocol)), port.HostAddress, report.PortNumber(port), cmp.Or(port.Way, "none"),
	}
}

// maxLabel caps the bytes of a label's value.
const maxLabel = 256

// short makes a text of a document fit to be a label's value.
func short(text string) string { return report.Short(text, maxLabel) }

// label makes any text fit to be a label's value.
func label(text string) string { return short(report.Clean(text)) }
