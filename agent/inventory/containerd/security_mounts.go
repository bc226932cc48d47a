// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"path"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// specMount is a mount of the OCI runtime spec (config.md, "Mounts").
type specMount struct {
	Destination string       `json:"destination"`
	Type        string       `json:"type"`
	Source      string       `json:"source"`
	Options     list[string] `json:"options"`
}

// criMount is Mount of the CRI.
type criMount struct {
	Point       string `json:"container_path"`
	Source      string `json:"host_path"`
	ReadOnly    bool   `json:"readonly"`
	Propagation int    `json:"propagation"`
}

// MountPropagation of the CRI. 0 is private.
const (
	propagationHostToContainer = 1
	propagationBidirectional   = 2
)

// specMounts takes over the mounts of a spec, of which the root's propagation is the default.
func (l *layer) specMounts(mounts list[specMount], propagation string) []inventory.Mount {
	l.count(mounts.more)
	var taken []inventory.Mount
	for i := range mounts.entries {
		mount := &mounts.entries[i]
		l.count(mount.Options.more)
		taken = append(taken, l.specMount(mount, propagation))
	}
	return taken
}

func (l *layer) specMount(mount *specMount, propagation string) inventory.Mount {
	taken := inventory.Mount{Point: l.text(mount.Destination)}
	bind := mount.Type == "bind"
	propagate(&taken, propagation)
	for _, option := range mount.Options.entries {
		switch option {
		case "bind":
			bind = true
		case "rbind":
			bind, taken.Recursive = true, true
		case "ro", "rro":
			taken.ReadOnly = true
		case "rw":
			taken.ReadOnly = false
		default:
			propagate(&taken, option)
		}
	}
	// The source of another file system is a device, or just a word.
	if bind || path.IsAbs(mount.Source) {
		taken.Source = l.text(mount.Source)
	}
	return taken
}

// propagate sets what a propagation says, if it is the name of one.
func propagate(mount *inventory.Mount, propagation string) {
	switch propagation {
	case "shared", "rshared":
		mount.Receives, mount.Shares = true, true
	case "slave", "rslave":
		mount.Receives, mount.Shares = true, false
	case "private", "rprivate", "unbindable", "runbindable":
		mount.Receives, mount.Shares = false, false
	}
}

// criMounts takes over the mounts of a container. The CRI mounts with all that is below the
// source. A volume that is an image has no source.
func (l *layer) criMounts(mounts list[criMount]) []inventory.Mount {
	l.count(mounts.more)
	var taken []inventory.Mount
	for i := range mounts.entries {
		mount := &mounts.entries[i]
		taken = append(taken, inventory.Mount{
			Source:    l.text(mount.Source),
			Point:     l.text(mount.Point),
			ReadOnly:  mount.ReadOnly,
			Recursive: true,
			Receives:  mount.Propagation == propagationHostToContainer || mount.Propagation == propagationBidirectional,
			Shares:    mount.Propagation == propagationBidirectional,
		})
	}
	return taken
}
