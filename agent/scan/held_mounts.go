// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// maxHeldDetail caps the text that says where something is mounted.
const maxHeldDetail = 256

// hostMounts are those of the host's mounts that show its namespaces, or may come with a directory of
// the host that a container was given.
type hostMounts struct {
	// at are the mounts of nsfs, of procfs and of queues, by where they are.
	at map[string][]nsinspect.Mount
	// proc and queues are the devices of the host's own /proc and /dev/mqueue.
	proc, queues device
}

func newHostMounts(mounts []nsinspect.Mount) hostMounts {
	h := hostMounts{at: make(map[string][]nsinspect.Mount)}
	for i := range mounts {
		m := &mounts[i]
		switch {
		case m.FSType != "nsfs" && m.FSType != "proc" && m.FSType != "mqueue":
			continue
		case m.Point == "/proc" && m.FSType == "proc":
			h.proc = deviceOf(m)
		case m.Point == "/dev/mqueue" && m.FSType == "mqueue":
			h.queues = deviceOf(m)
		}
		h.at[m.Point] = append(h.at[m.Point], *m)
	}
	return h
}

// held returns the mounts of a container by which it has a hold of namespaces of the host that it did
// not declare. What came with a directory that it was given is declared, and so is the same once more: a
// directory of the runtime's that a container is given has the container's own root in it, with what was
// mounted there before.
func (h *hostMounts) held(container *inventory.Container, mounts []nsinspect.Mount, host *nsinspect.Namespaces) []snapshot.Held {
	spec := container.SecuritySpec()
	if spec == nil {
		return nil
	}
	var given []*nsinspect.Mount
	for i := range mounts {
		if _, ok := h.shows(&mounts[i], host); ok && h.isGiven(&mounts[i], spec) {
			given = append(given, &mounts[i])
		}
	}
	var held []snapshot.Held
	for i := range mounts {
		m := &mounts[i]
		kind, ok := h.shows(m, host)
		if !ok || container.Asks(kind) || slices.ContainsFunc(given, func(g *nsinspect.Mount) bool { return isPartOf(m, g) }) {
			continue
		}
		detail := "of its file"
		if m.FSType != "nsfs" {
			detail = "of " + m.FSType
		}
		held = append(held, snapshot.Held{Kind: kind, Way: snapshot.HeldMount, Detail: fmt.Sprintf("%s at %.*s", detail, maxHeldDetail, m.Point)})
	}
	return held
}

// isPartOf reports whether a mount shows no more than another one does.
func isPartOf(m, other *nsinspect.Mount) bool {
	return deviceOf(m) == deviceOf(other) && inventory.Within(m.Root, other.Root)
}

// shows returns the kind of the host's namespace that a mount shows.
func (h *hostMounts) shows(m *nsinspect.Mount, host *nsinspect.Namespaces) (nsinspect.Kind, bool) {
	switch {
	case m.FSType == "proc":
		return nsinspect.PID, deviceOf(m) == h.proc
	case m.FSType == "mqueue":
		return nsinspect.IPC, deviceOf(m) == h.queues
	case m.FSType != "nsfs":
		return 0, false
	}
	for _, kind := range heldKinds() {
		if id, ok := host.Get(kind); ok && m.Root == fmt.Sprintf("%s:[%d]", kind, id.Ino) {
			return kind, true
		}
	}
	return 0, false
}

// isGiven reports whether a mount came with a directory of the host that the container was given: the
// host has the same there.
func (h *hostMounts) isGiven(m *nsinspect.Mount, spec *inventory.SecuritySpec) bool {
	return slices.ContainsFunc(spec.Mounts, func(given inventory.Mount) bool {
		point := inventory.CleanPath(given.Point)
		if given.Source == "" || !inventory.Within(m.Point, point) {
			return false
		}
		source := path.Join(inventory.CleanPath(given.Source), strings.TrimPrefix(m.Point, point))
		return h.has(source, m) || h.has(strings.Replace(source, "/var/run/", "/run/", 1), m)
	})
}

// has reports whether the host has the same at a path: mounted there, or by a mount above.
func (h *hostMounts) has(at string, m *nsinspect.Mount) bool {
	for above := at; ; above = path.Dir(above) {
		for _, own := range h.at[above] {
			if deviceOf(&own) == deviceOf(m) && m.Root == path.Join(own.Root, strings.TrimPrefix(at, above)) {
				return true
			}
		}
		if above == "/" || above == "." {
			return false
		}
	}
}
