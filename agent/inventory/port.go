// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"net/netip"

	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// Port is a port of the host that was asked for.
type Port struct {
	Protocol socket.Protocol `json:"protocol"`
	// HostAddress is the address of the host; the zero value stands for all.
	HostAddress netip.Addr `json:"hostAddress,omitzero"`
	HostPort    uint16     `json:"hostPort"`
	// ContainerPort is where it leads.
	ContainerPort uint16 `json:"containerPort,omitempty"`
}
