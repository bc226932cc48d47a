// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// Limits are how many processes and ports a text names before it counts the rest.
type Limits struct{ Processes, Ports int }

// Evidence names the ports of a finding about ports, what was found of a security context, and the
// processes of any other.
func Evidence(evidence *v1alpha1.Evidence, limits Limits) string {
	if len(evidence.Ports) > 0 {
		return list(evidence.Ports, evidence.MorePorts, limits.Ports, portText)
	}
	if isSecurity(evidence) {
		return securityEvidence(evidence, limits)
	}
	if len(evidence.Held) > 0 {
		return list(evidence.Held, evidence.MoreHeld, limits.Processes, heldText)
	}
	processes := processesText(evidence.Processes, evidence.MoreProcesses, limits.Processes)
	if evidence.Past {
		return fmt.Sprintf("has left: %s, %s", processes, pastText(evidence))
	}
	return processes
}

// pastText says when processes were seen that have left again: "at 14:02:11 UTC", or "seen 3 times from
// 13:58:40 to 14:02:11 UTC".
func pastText(evidence *v1alpha1.Evidence) string {
	first, last := evidence.First.UTC().Format(time.TimeOnly), evidence.Last.UTC().Format(time.TimeOnly)
	if first == last {
		return "at " + last + " UTC"
	}
	return fmt.Sprintf("seen %d times from %s to %s UTC", evidence.Count, first, last)
}

// Namespace names the namespace of the evidence as /proc/PID/ns does: "net:[4026531840]".
func Namespace(evidence *v1alpha1.Evidence) string {
	return fmt.Sprintf("%s:[%d]", evidence.Kind, evidence.Namespace.Ino)
}

func processesText(processes []v1alpha1.Process, more, limit int) string {
	return list(processes, more, limit, processText)
}

// heldText names what a container has of a namespace: "file 7 of pid 12 (sleep)", "mount at /tmp/net".
func heldText(held *v1alpha1.Hold) string {
	text := held.Way
	if held.Detail != "" {
		text += " " + held.Detail
	}
	if held.PID == 0 {
		return text
	}
	return text + " of " + processText(&v1alpha1.Process{PID: held.PID, Command: held.Command})
}

// processText names a process, and which of its threads are meant if not all are.
func processText(process *v1alpha1.Process) string {
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
	if process.LeftCgroup {
		text += ", which left its cgroup"
	}
	return text
}

// portName names a port of the host: "9000/TCP", "127.0.0.1:9000/TCP", "8000-8010/UDP".
func portName(port *v1alpha1.Port) string {
	if port.Protocol == v1alpha1.Raw {
		return fmt.Sprintf("IP protocol %d", port.HostPort)
	}
	number := PortNumber(port)
	switch address := port.HostAddress; {
	case isIPv6(address):
		number = fmt.Sprintf("[%s]:%s", address, number)
	case address != "":
		number = fmt.Sprintf("%s:%s", address, number)
	}
	return number + "/" + string(port.Protocol)
}

// PortNumber returns a port's number, or the first and last of a range: "8000-8010".
func PortNumber(port *v1alpha1.Port) string {
	if port.LastPort > port.HostPort {
		return fmt.Sprintf("%d-%d", port.HostPort, port.LastPort)
	}
	return fmt.Sprint(port.HostPort)
}

// isIPv6 reports whether an address is one of IPv6, and not one of IPv4 in that form.
func isIPv6(address string) bool {
	parsed, err := netip.ParseAddr(address)
	return err == nil && parsed.Is6() && !parsed.Is4In6()
}

// maxPortProcesses is how many processes are named with a port.
const maxPortProcesses = 2

// maxClaimants is how many of the containers are named that declare a port of another's.
const maxClaimants = 1

func claimantText(id *string) string { return "container " + (*id)[:min(len(*id), shortID)] }

// portText names a port and where it leads: "9000/TCP -> 10.244.1.5:8080 (DNAT, iptables-nft
// ip nat)" or "8443/TCP of pid 12 (nginx)".
func portText(port *v1alpha1.Port) string {
	text := portName(port)
	if rule := port.Rule; rule != nil {
		target := rule.Target
		if rule.LastTarget != "" {
			target += " to " + rule.LastTarget
		}
		text += fmt.Sprintf(" -> %s (%s, %s %s)", target, cmp.Or(port.Way, "DNAT"), rule.Way, rule.Table)
	}
	if len(port.DeclaredFor) > 0 {
		text += " declared by " + list(port.DeclaredFor, port.MoreDeclaredFor, maxClaimants, claimantText)
	}
	if len(port.Processes) > 0 {
		text += " of " + processesText(port.Processes, port.MoreProcesses, maxPortProcesses)
	}
	return text
}

// maxShadows is how many shadowed listeners are named.
const maxShadows = 1

// Shadowed names the first of the listeners that receive nothing because of a forward, counts
// the rest, and returns how many there are. A process that listens twice is one.
func Shadowed(evidence *v1alpha1.Evidence) (text string, n int) {
	var listeners []string
	more := 0
	for i := range evidence.Ports {
		port := &evidence.Ports[i]
		more += port.MoreShadows
		for k := range port.Shadows {
			if listener := shadowText(&port.Shadows[k]); !slices.Contains(listeners, listener) {
				listeners = append(listeners, listener)
			}
		}
	}
	return list(listeners, more, maxShadows, func(listener *string) string { return *listener }), len(listeners) + more
}

// shadowText names a listener by its processes, or else by its user.
func shadowText(shadow *v1alpha1.Shadow) string {
	if len(shadow.Processes) > 0 {
		return processesText(shadow.Processes, shadow.MoreProcesses, maxPortProcesses)
	}
	return fmt.Sprintf("a socket of uid %d", shadow.UID)
}
