// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// undeclaredMounts names the mounts of the host's file systems that nothing explains.
func (s *subject) undeclaredMounts() []string {
	if s.Mounts == nil || len(s.Mounts.Host) == 0 {
		return nil
	}
	rules := newMountRules(s)
	var texts []string
	for i := range s.Mounts.Host {
		if mount := &s.Mounts.Host[i]; !rules.explain(mount) {
			texts = append(texts, fmt.Sprintf("%s of %s %d:%d at %s%s", mount.Root, mount.FSType, mount.Major, mount.Minor, mount.Point, marks("", mount.ReadOnly)))
		}
	}
	return distinct(texts)
}

// mountRules tell which mounts of a container follow from what was declared.
type mountRules struct {
	// declared are the mounts that were declared themselves.
	declared map[*nsinspect.Mount]bool
	// roots are where mounts below a declared one come with it: what the host has mounted below
	// the source, now or later. Below lent, which was made for the container, only what needs no
	// disk of the host does.
	roots, lent []string
	// devices are the nodes of devices that were declared.
	devices []string
}

// askedMount is a mount that was declared.
type askedMount struct {
	*inventory.Mount

	// at is its clean point, and own says that its source was made for the container.
	at  string
	own bool
	// found: the mount was found among those of the container.
	found bool
}

// newMountRules finds the mounts that were declared: at their point, or else where a symbolic link
// of the image has led the runtime, as from /var/run to /run. Each declared mount is one mount,
// and the first that fits: one that is mounted over it later was not declared.
func newMountRules(s *subject) *mountRules {
	rules := &mountRules{declared: make(map[*nsinspect.Mount]bool), devices: s.spec.Devices}
	asked := s.askedMounts()
	for _, fits := range []func(*askedMount, *nsinspect.Mount) bool{(*askedMount).isAt, (*askedMount).isLedTo} {
		for i := range s.Mounts.Host {
			mount := &s.Mounts.Host[i]
			if rules.declared[mount] {
				continue
			}
			at := slices.IndexFunc(asked, func(a askedMount) bool { return !a.found && fits(&a, mount) })
			if at >= 0 {
				asked[at].found, rules.declared[mount] = true, true
				asked[at].at = mount.Point
			}
		}
	}
	for i := range asked {
		rules.allowBelow(&asked[i])
	}
	return rules
}

// askedMounts returns the mounts that were declared. The pod and the runtime may name the source of
// one in different ways, so that where both have a mount at a point, the runtime's counts. Those
// that it was told of without a source are new file systems, which the host has not mounted.
func (s *subject) askedMounts() []askedMount {
	var asked []askedMount
	told := make(map[string]bool)
	for i := range s.spec.Mounts {
		told[cleanPath(s.spec.Mounts[i].Point)] = true
	}
	take := func(mount *inventory.Mount) {
		asked = append(asked, askedMount{Mount: mount, at: cleanPath(mount.Point), own: s.isOwnPath(cleanPath(mount.Source))})
	}
	for i := range s.spec.Mounts {
		if mount := &s.spec.Mounts[i]; mount.Source != "" {
			take(mount)
		}
	}
	if s.request != nil {
		for i := range s.request.Mounts {
			if mount := &s.request.Mounts[i]; !told[cleanPath(mount.Point)] {
				take(mount)
			}
		}
	}
	return asked
}

// isAt reports whether a mount is where it was declared.
func (a *askedMount) isAt(mount *nsinspect.Mount) bool { return a.at != "" && a.at == mount.Point }

// isLedTo reports whether a mount may be the one that was declared, elsewhere: it is called so, or
// shows what the source is called.
func (a *askedMount) isLedTo(mount *nsinspect.Mount) bool {
	source := cleanPath(a.Source)
	if a.at == "" || source == "" {
		return false
	}
	return path.Base(a.at) == path.Base(mount.Point) || mount.Root != "/" && strings.HasSuffix(source, mount.Root)
}

// allowBelow adds what may be mounted below a declared mount.
func (r *mountRules) allowBelow(asked *askedMount) {
	switch {
	case asked.at == "" || asked.Source == "":
	case asked.Receives || asked.Shares || asked.Recursive && !asked.own:
		r.roots = append(r.roots, asked.at)
	case asked.Recursive:
		r.lent = append(r.lent, asked.at)
	}
}

// explain reports whether a mount is declared, appears below one that is, shows nothing but what
// one that is declared shows, or is the node of a device.
func (r *mountRules) explain(mount *nsinspect.Mount) bool {
	isNode := mount.FSType == "devtmpfs" && mount.Root != "/"
	if r.declared[mount] || isNode || slices.Contains(r.devices, mount.Point) {
		return true
	}
	below := func(root string) bool { return within(mount.Point, root) }
	if slices.ContainsFunc(r.roots, below) || isServed(mount.FSType) && slices.ContainsFunc(r.lent, below) {
		return true
	}
	for source := range r.declared {
		same := source.Major == mount.Major && source.Minor == mount.Minor && within(mount.Root, source.Root)
		if same && (mount.ReadOnly || !source.ReadOnly) {
			return true
		}
	}
	return false
}

// isServed reports whether the files of a file system come from a server or a process, which may
// mount more below a volume as it is used, or before the container was started again.
func isServed(fsType string) bool {
	switch fsType {
	case "fuse", "nfs", "nfs4", "cifs", "smb3", "ceph", "9p":
		return true
	}
	return strings.HasPrefix(fsType, "fuse.")
}
