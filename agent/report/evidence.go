package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// CleanEvidence returns the evidence with every text in it that others chose made fit to be
// shown, by clean. What the functions below make of it needs no more cleaning.
func CleanEvidence(evidence audit.Evidence, clean func(string) string) audit.Evidence {
	evidence.JoinedPath = clean(evidence.JoinedPath)
	evidence.Processes = cleanProcesses(evidence.Processes, clean)
	evidence.Ports = slices.Clone(evidence.Ports)
	for i := range evidence.Ports {
		port := &evidence.Ports[i]
		port.Protocol = socket.Protocol(clean(string(port.Protocol)))
		port.Processes = cleanProcesses(port.Processes, clean)
		port.OtherContainers = cleanAll(port.OtherContainers, clean)
		port.Shadows = slices.Clone(port.Shadows)
		for k := range port.Shadows {
			port.Shadows[k].Processes = cleanProcesses(port.Shadows[k].Processes, clean)
		}
		if port.Rule != nil {
			rule := *port.Rule
			rule.Way, rule.Table, rule.Chain = clean(rule.Way), clean(rule.Table), clean(rule.Chain)
			port.Rule = &rule
		}
	}
	return evidence
}

func cleanProcesses(processes []audit.ProcessEvidence, clean func(string) string) []audit.ProcessEvidence {
	processes = slices.Clone(processes)
	for i := range processes {
		processes[i].Command = clean(processes[i].Command)
	}
	return processes
}

func cleanAll(texts []string, clean func(string) string) []string {
	texts = slices.Clone(texts)
	for i := range texts {
		texts[i] = clean(texts[i])
	}
	return texts
}

// ProcessText names a process, and which of its threads are meant if not all are.
func ProcessText(process audit.ProcessEvidence) string {
	text := fmt.Sprintf("pid %d", process.PID)
	if process.Command != "" {
		text += " (" + process.Command + ")"
	}
	switch {
	case len(process.TIDs) == 1 && process.Threads == 1:
		text += fmt.Sprintf(" thread %d", process.TIDs[0])
	case len(process.TIDs) > 0:
		text += fmt.Sprintf(" %d threads, first %d", process.Threads, process.TIDs[0])
	}
	return text
}

// ProcessesText names the first of some processes, and counts the rest and the more that
// are not among them.
func ProcessesText(processes []audit.ProcessEvidence, more, limit int) string {
	return list(processes, more, limit, ProcessText)
}

// PortsText tells of the first of some ports, and counts the rest.
func PortsText(evidence *audit.Evidence, limit int) string {
	return list(evidence.Ports, evidence.MorePorts, limit, PortText)
}

func list[T any](items []T, more, limit int, name func(T) string) string {
	named := items[:min(len(items), limit)]
	texts := make([]string, len(named))
	for i, item := range named {
		texts[i] = name(item)
	}
	text := strings.Join(texts, ", ")
	if more += len(items) - len(named); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// PortName names a port of the host: "9000/TCP", "127.0.0.1:9000/TCP", "8000-8010/UDP".
func PortName(port *audit.PortEvidence) string {
	if port.Protocol == socket.Raw {
		return fmt.Sprintf("IP protocol %d", port.HostPort)
	}
	number := fmt.Sprint(port.HostPort)
	if port.LastPort > port.HostPort {
		number += fmt.Sprintf("-%d", port.LastPort)
	}
	switch address := port.HostAddress; {
	case address.Is6() && !address.Is4In6():
		number = fmt.Sprintf("[%s]:%s", address, number)
	case address.IsValid():
		number = fmt.Sprintf("%s:%s", address, number)
	}
	return number + "/" + string(port.Protocol)
}

// maxPortProcesses is how many processes are named with a port.
const maxPortProcesses = 2

// PortText tells where a port leads: "9000/TCP -> 10.244.1.5:8080 (DNAT, iptables-nft ip
// nat)" or "8443/TCP of pid 12 (nginx)".
func PortText(port audit.PortEvidence) string {
	text := PortName(&port)
	if rule := port.Rule; rule != nil {
		text += fmt.Sprintf(" -> %s (DNAT, %s %s)", rule.Target, rule.Way, rule.Table)
	}
	if len(port.Processes) > 0 {
		text += " of " + ProcessesText(port.Processes, 0, maxPortProcesses)
	}
	return text
}

// ShadowText names what listens in vain on a port.
func ShadowText(shadow audit.ShadowEvidence) string {
	if len(shadow.Processes) > 0 {
		return ProcessesText(shadow.Processes, 0, maxPortProcesses)
	}
	return fmt.Sprintf("a socket of uid %d", shadow.UID)
}

// ephemeral is where the kernel's default range of ports for clients begins
// (ip(7), ip_local_port_range).
const ephemeral = 32768

// PortsKey is what of the ports makes a finding another one for people. A client's UDP port
// is not part of it: it changes with each question that is asked of a DNS server.
func PortsKey(evidence *audit.Evidence) string {
	var names []string
	for i := range evidence.Ports {
		port := &evidence.Ports[i]
		if port.Protocol == socket.UDP && port.Way == audit.WaySocket && port.HostPort >= ephemeral {
			continue
		}
		names = append(names, PortName(port))
	}
	return strings.Join(names, " ")
}
