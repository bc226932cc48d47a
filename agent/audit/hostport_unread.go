// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"maps"
	"slices"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// unseenPorts returns what was not seen of the node's ports, and then what of single
// containers beyond that: what a targeted scan could not see is known of its containers only.
func unseenPorts(snap *snapshot.Snapshot) []Unknown {
	var unknown []Unknown
	var known []snapshot.Gap
	if snap.Ports != nil {
		known = portGaps(snap.Ports.NoSockets, snap.Ports.NoForwards, nil)
		for _, gap := range snap.Ports.Opaque {
			gap.Detail = "the host's ports may lead into any container: " + gap.Detail
			unknown = append(unknown, Unknown{nil, gap})
		}
	}
	for _, gap := range known {
		unknown = append(unknown, Unknown{nil, gap})
	}
	for _, container := range sortedContainers(snap) {
		unread := &container.Unread
		for _, gap := range portGaps(unread.Sockets, unread.Forwards, unread.Gaps) {
			if !slices.Contains(known, gap) {
				unknown = append(unknown, Unknown{container, gap})
			}
		}
	}
	return unknown
}

// portGaps words why sockets and forwards may be missing, but for the causes that are reported
// already.
func portGaps(sockets map[socket.Protocol]snapshot.Gap, forwards, reported []snapshot.Gap) []snapshot.Gap {
	var gaps []snapshot.Gap
	if gap, ok := gapOfAll(sockets); ok && !slices.Contains(reported, gap) {
		gap.Detail = "sockets of the host's network may be missing: " + gap.Detail
		gaps, sockets = append(gaps, gap), nil
	}
	for _, protocol := range slices.Sorted(maps.Keys(sockets)) {
		if gap := sockets[protocol]; !slices.Contains(reported, gap) {
			gap.Detail = fmt.Sprintf("%s sockets of the host's network may be missing: %s", protocol, gap.Detail)
			gaps = append(gaps, gap)
		}
	}
	for _, gap := range forwards {
		if !slices.Contains(reported, gap) {
			gap.Detail = "forwards of the host's ports may be missing: " + gap.Detail
			gaps = append(gaps, gap)
		}
	}
	return gaps
}

// gapOfAll returns the gap that the sockets of all protocols have in common, if there is one.
func gapOfAll(sockets map[socket.Protocol]snapshot.Gap) (snapshot.Gap, bool) {
	common := sockets[socket.TCP]
	for _, protocol := range socket.Protocols() {
		if gap, ok := sockets[protocol]; !ok || gap != common {
			return snapshot.Gap{}, false
		}
	}
	return common, true
}

// unseenSockets returns why the absence of a container's socket proves nothing, or nil.
func unseenSockets(container *snapshot.Container, protocol socket.Protocol) *snapshot.Gap {
	if gap, ok := container.Unread.Sockets[protocol]; ok {
		return &gap
	}
	if len(container.Unread.Gaps) > 0 {
		return &container.Unread.Gaps[0]
	}
	return nil
}

// unseenForwards returns why the absence of a forward to a container proves nothing, or nil.
func unseenForwards(container *snapshot.Container) *snapshot.Gap {
	for _, gaps := range [][]snapshot.Gap{container.Unread.Forwards, container.Unread.Opaque} {
		if len(gaps) > 0 {
			return &gaps[0]
		}
	}
	return nil
}
