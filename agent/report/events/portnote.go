package events

import (
	"fmt"
	"slices"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// maxNamedPorts is how many ports a note names: as many as fit beside the rest of it.
const maxNamedPorts = 5

// portVerdict says which ports of the host lead into the container, who declared them, and
// by which evidence.
func portVerdict(finding *audit.Finding, evidence *audit.Evidence) string {
	ports := portWord(evidence) + " " + report.PortsText(evidence, maxNamedPorts)
	switch finding.Verdict {
	case audit.NotInEffect:
		return fmt.Sprintf("does not receive what comes to host %s, though %s declares that: %s.", ports, declarer(finding), missing(finding.Container))
	case audit.Shadows:
		return fmt.Sprintf("receives what comes to host %s, before %s, which listens there in vain.", ports, shadowed(evidence))
	}
	return fmt.Sprintf("receives what comes to host %s, %s.", ports, declaration(finding))
}

// missing says what would have to be there.
func missing(container *snapshot.Container) string {
	if slices.Contains(container.Declared.Host, nsinspect.Net) {
		return "none of its processes listens there"
	}
	return "no rule of the host forwards it"
}

func portWord(evidence *audit.Evidence) string {
	if len(evidence.Ports)+evidence.MorePorts == 1 {
		return "port"
	}
	return "ports"
}

// shadowed names the first of those that listen in vain.
func shadowed(evidence *audit.Evidence) string {
	for i := range evidence.Ports {
		if shadows := evidence.Ports[i].Shadows; len(shadows) > 0 {
			return report.ShadowText(shadows[0])
		}
	}
	return "another socket"
}
