// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"path"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// UndeclaredMounts returns those of a container's mounts of the host's file systems that nothing
// that was declared explains: none where it is not known what the runtime was told.
func (c *Container) UndeclaredMounts(host []nsinspect.Mount) []*nsinspect.Mount {
	if c.SecuritySpec() == nil || len(host) == 0 {
		return nil
	}
	rules := c.mountRules(host)
	var undeclared []*nsinspect.Mount
	for i := range host {
		if !rules.declared[i] && !rules.explain(&host[i]) {
			undeclared = append(undeclared, &host[i])
		}
	}
	return undeclared
}

// mountRules tell which mounts of a container follow from what was declared.
type mountRules struct {
	// host are the mounts, and declared says which of them were declared themselves.
	host     []nsinspect.Mount
	declared []bool
	// roots are where mounts below a declared one come with it: what the host has mounted below
	// the source, now or later. Below lent, which was made for the container, only what needs no
	// disk of the host does.
	roots, lent []string
	// devices are the nodes of devices that were declared.
	devices []string
}

// askedMount is a mount that was declared.
type askedMount struct {
	*Mount

	// at is its clean point, and own says that its source was made for the container.
	at  string
	own bool
	// found: the mount was found among those of the container.
	found bool
}

// mountRules finds the mounts that were declared: at their point, or else where a symbolic link
// of the image has led the runtime, as from /var/run to /run. Each declared mount is one mount,
// and the first that fits: one that is mounted over it later was not declared.
func (c *Container) mountRules(host []nsinspect.Mount) *mountRules {
	rules := &mountRules{host: host, declared: make([]bool, len(host)), devices: c.Security.Spec.Devices}
	asked := c.askedMounts()
	for _, fits := range []func(*askedMount, *nsinspect.Mount) bool{(*askedMount).isAt, (*askedMount).isLedTo} {
		for i := range host {
			if rules.declared[i] {
				continue
			}
			at := slices.IndexFunc(asked, func(a askedMount) bool { return !a.found && fits(&a, &host[i]) })
			if at >= 0 {
				asked[at].found, rules.declared[i] = true, true
				asked[at].at = host[i].Point
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
func (c *Container) askedMounts() []askedMount {
	spec, request := c.Security.Spec, c.Security.Request
	asked := make([]askedMount, 0, len(spec.Mounts))
	take := func(mount *Mount) {
		origin, _ := c.Origin(mount)
		asked = append(asked, askedMount{Mount: mount, at: CleanPath(mount.Point), own: origin == OfPod || origin == OfRuntime})
	}
	for i := range spec.Mounts {
		if mount := &spec.Mounts[i]; mount.Source != "" {
			take(mount)
		}
	}
	if request != nil {
		told := make(map[string]bool, len(spec.Mounts))
		for i := range spec.Mounts {
			told[CleanPath(spec.Mounts[i].Point)] = true
		}
		for i := range request.Mounts {
			if mount := &request.Mounts[i]; !told[CleanPath(mount.Point)] {
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
	source := CleanPath(a.Source)
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

// explain reports whether a mount appears below one that is declared, shows nothing but what one
// that is declared shows, or is the node of a device.
func (r *mountRules) explain(mount *nsinspect.Mount) bool {
	isNode := mount.FSType == "devtmpfs" && mount.Root != "/"
	if isNode || slices.Contains(r.devices, mount.Point) {
		return true
	}
	below := func(root string) bool { return Within(mount.Point, root) }
	if slices.ContainsFunc(r.roots, below) || isServed(mount.FSType) && slices.ContainsFunc(r.lent, below) {
		return true
	}
	for i := range r.host {
		whole := &r.host[i]
		same := r.declared[i] && whole.Major == mount.Major && whole.Minor == mount.Minor && Within(mount.Root, whole.Root)
		if same && (mount.ReadOnly || !whole.ReadOnly) {
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
