// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/level"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// maxUsers caps the users of a container that a document names.
const maxUsers = 8

// securityOf makes the security contexts of the containers of a result.
type securityOf struct {
	host   *snapshot.HostSecurity
	ref    *nsinspect.HostReference
	levels map[*snapshot.Container]level.Level
}

func newSecurityOf(result *audit.Result) securityOf {
	s := securityOf{host: result.Snapshot.HostSecurity, ref: &result.Snapshot.Host, levels: make(map[*snapshot.Container]level.Level)}
	for i := range result.Levels {
		for _, container := range result.Levels[i].Containers {
			s.levels[container.Container] = container.Enforced
		}
	}
	return s
}

// of returns the security context of a container, or nil where it was not read.
func (s *securityOf) of(container *snapshot.Container, clean cleaner) *v1alpha1.Security {
	if s.host == nil || len(container.Credentials) == 0 {
		return nil
	}
	capabilities := s.capabilitiesOf(container)
	security := &v1alpha1.Security{
		Capabilities:    append([]string{}, capabilities.Names()...),
		AllCapabilities: s.host.HasAll(capabilities),
		UserNamespace:   len(container.UserNamespaces) > 0 && hasOwn(container),
		Level:           string(s.levels[container]),
		NoNewPrivileges: every(container, nsinspect.FieldNoNewPrivileges, func(c *snapshot.Credentials) bool { return c.NoNewPrivileges }),
		Seccomp:         every(container, nsinspect.FieldSeccomp, func(c *snapshot.Credentials) bool { return c.Seccomp != nsinspect.SeccompDisabled }),
	}
	security.Users, security.MoreUsers = users(container)
	if label := container.Credentials[0].Label; label != nil {
		security.Label = clean(label.String())
	}
	if container.Mounts != nil {
		security.ReadOnlyRoot = &container.Mounts.ReadOnlyRoot
	}
	return security
}

// capabilitiesOf returns what any thread has or may get. In a user namespace below the
// container's, every thread has all of them, and they mean nothing outside of it.
func (s *securityOf) capabilitiesOf(container *snapshot.Container) nsinspect.Capabilities {
	var all nsinspect.Capabilities
	for i := range container.Processes {
		process := &container.Processes[i]
		if container.IsNested(process, s.ref) {
			continue
		}
		for _, group := range process.Credentials {
			all |= container.Credentials[group.Set].Holds()
		}
	}
	return all
}

// hasOwn reports whether the container's user namespace is one of those that are not the host's.
func hasOwn(container *snapshot.Container) bool {
	return slices.ContainsFunc(container.UserNamespaces, func(n snapshot.UserNamespace) bool { return n.ID == container.UserNamespace })
}

// every reports whether all credentials have a property; nil where the kernel does not show it.
func every(container *snapshot.Container, field nsinspect.Fields, has func(*snapshot.Credentials) bool) *bool {
	all := true
	for i := range container.Credentials {
		credentials := &container.Credentials[i]
		if !credentials.Known.Has(field) {
			return nil
		}
		all = all && has(credentials)
	}
	return &all
}

// users returns the first of the effective ids, in ascending order, and how many more there are.
func users(container *snapshot.Container) (named []string, more int) {
	type ids struct{ uid, gid uint32 }
	var all []ids
	for i := range container.Credentials {
		credentials := &container.Credentials[i]
		all = append(all, ids{credentials.UIDs.Effective, credentials.GIDs.Effective})
	}
	slices.SortFunc(all, func(a, b ids) int { return cmp.Or(cmp.Compare(a.uid, b.uid), cmp.Compare(a.gid, b.gid)) })
	all = slices.Compact(all)
	for _, user := range all[:min(len(all), maxUsers)] {
		named = append(named, fmt.Sprintf("%d:%d", user.uid, user.gid))
	}
	return named, len(all) - len(named)
}
