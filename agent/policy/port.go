// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// portRange is the ports from first to last of a protocol.
type portRange struct {
	protocol    socket.Protocol
	first, last uint16
}

// parsePorts reads "10249/TCP" and "30000-32767/UDP".
func parsePorts(text string) (portRange, error) {
	numbers, protocol, _ := strings.Cut(text, "/")
	ports := portRange{protocol: socket.Protocol(protocol)}
	if !slices.Contains(socket.Protocols(), ports.protocol) {
		return ports, fmt.Errorf("want a port and a protocol, such as 8080/TCP or 30000-32767/UDP; the protocols are %s", list(socket.Protocols()))
	}
	first, last, isRange := strings.Cut(numbers, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	to, errLast := strconv.ParseUint(last, 10, 16)
	if err != nil || errLast != nil || from > to {
		return ports, fmt.Errorf("want a number up to 65535, or two of which the second is not the smaller one, such as 30000-32767/UDP")
	}
	ports.first, ports.last = uint16(from), uint16(to)
	return ports, nil
}

func (r portRange) String() string {
	if r.first == r.last {
		return fmt.Sprintf("%d/%s", r.first, r.protocol)
	}
	return fmt.Sprintf("%d-%d/%s", r.first, r.last, r.protocol)
}

// covers reports whether all of the other ports are among these.
func (r portRange) covers(other portRange) bool {
	return r.protocol == other.protocol && r.first <= other.first && other.last <= r.last
}

// rangeOf returns the ports that a finding names as one.
func rangeOf(port *audit.PortEvidence) portRange {
	return portRange{port.Protocol, port.HostPort, max(port.HostPort, port.LastPort)}
}

// covered reports whether one of the ranges covers the ports, or there is none.
func covered(ports portRange, by []portRange) bool {
	return len(by) == 0 || slices.ContainsFunc(by, func(r portRange) bool { return r.covers(ports) })
}

// list words alternatives.
func list[T ~string](words []T) string {
	texts := make([]string, len(words))
	for i, word := range words {
		texts[i] = string(word)
	}
	return strings.Join(texts, ", ")
}
