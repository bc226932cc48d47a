// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

// Kind is what a process's cgroups say of it.
type Kind uint8

// The kinds of attributions.
const (
	// OfHost is a process of no container.
	OfHost Kind = iota
	// Listed is a process of the inventory's container Key.
	Listed
	// Contested is a process that belongs to Key and to Rival just as much: hierarchies of
	// cgroup v1 can be entered one by one.
	Contested
	// Forged is a process in a cgroup that is named like Key's, and is another.
	Forged
	// Unlisted is a process of the container Ref, which is not in the inventory.
	Unlisted
)

// Attribution is what a process's cgroups say: whose it is.
type Attribution struct {
	Kind       Kind
	Key, Rival inventory.Key
	Ref        runtimes.Ref
}

// IsListed reports whether the process belongs to one container of the inventory, and to no
// other.
func (a Attribution) IsListed() bool { return a.Kind == Listed }

// InInventory reports whether the process belongs to the inventory's container Key, or is
// named like it.
func (a Attribution) InInventory() bool { return a.Kind != OfHost && a.Kind != Unlisted }

// Caps of what is remembered: a container may have made a cgroup for each of its processes, with a path
// of some kilobytes in each of a dozen hierarchies. An ordinary node has a cgroup a container.
const (
	maxTextKept = 4 << 10
	maxSeen     = 8 << 10
)

// Attribute returns whose process has these cgroups.
func (a *Attributor) Attribute(entries []cgroup.Entry) Attribution {
	a.text = a.text[:0]
	for _, entry := range entries {
		a.text = append(a.text, entry.Hierarchy...)
		a.text = append(a.text, entry.Path...)
		a.text = append(a.text, '\n') // No cgroup's name has one.
	}
	found, ok := a.seen[string(a.text)]
	if !ok {
		found = a.conclude(entries)
		if len(a.text) <= maxTextKept && len(a.seen) < maxSeen {
			a.seen[string(a.text)] = found
		}
	}
	return found
}

func (a *Attributor) conclude(entries []cgroup.Entry) Attribution {
	var found Attribution
	for _, entry := range entries {
		key, ok := a.placeAbove(entry)
		switch {
		case !ok:
		case found.Kind == OfHost:
			found = Attribution{Kind: Listed, Key: key}
		case key != found.Key:
			found.Kind, found.Rival = Contested, key
		}
	}
	if found.Kind != OfHost {
		return found
	}
	for _, entry := range entries {
		if key, ok := a.tailIn(entry.Path); ok {
			return Attribution{Kind: Listed, Key: key}
		}
	}
	for _, entry := range entries {
		if ref, ok := a.outermost(entry.Path); ok {
			return a.named(ref)
		}
	}
	return Attribution{}
}

// named attributes a process by the container that its cgroup's path names.
func (a *Attributor) named(ref runtimes.Ref) Attribution {
	switch key, listed := a.byID[ref.ID]; {
	case !listed:
		return Attribution{Kind: Unlisted, Ref: ref}
	case a.settled[key]:
		return Attribution{Kind: Forged, Key: key, Ref: ref}
	default:
		return Attribution{Kind: Listed, Key: key, Ref: ref}
	}
}

// placeAbove finds the innermost container whose place is this cgroup or one above it.
func (a *Attributor) placeAbove(entry cgroup.Entry) (inventory.Key, bool) {
	for path := entry.Path; path != ""; path = path[:strings.LastIndexByte(path, '/')] {
		if key, ok := a.places[place{entry.Hierarchy, path}]; ok {
			return key, true
		}
	}
	if outside(entry.Path) {
		return inventory.Key{}, false
	}
	key, ok := a.places[place{entry.Hierarchy, "/"}]
	return key, ok
}

// tailIn finds the container without a place whose spec names this cgroup or one above it,
// the outermost if there are several. What stands below another container's cgroup is that
// one's, whatever its name.
func (a *Attributor) tailIn(path string) (key inventory.Key, ok bool) {
	limit := len(path)
	if outer, inContainer := a.outermost(path); inContainer {
		limit = len(outer.Path)
	}
	for _, tail := range a.tails {
		cut, matches := cutTail(path, tail.path)
		if start := len(cut) - len(tail.path); matches && start < limit {
			key, ok, limit = tail.key, true, start
		}
	}
	return key, ok
}

// outermost returns the outermost container that a path names, leaving out those that the
// host itself is in: in kind, each path begins with the node's own container.
func (a *Attributor) outermost(path string) (runtimes.Ref, bool) {
	for _, ref := range runtimes.Refs(path) {
		if !slices.Contains(a.host, ref.ID) {
			return ref, true
		}
	}
	return runtimes.Ref{}, false
}
