// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"slices"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// Security is what was asked of a container's security context, in two layers. They differ where
// the runtime, or a plugin of it, has left something out or changed it. Once decoded, nothing in
// it may be changed: snapshots share it.
type Security struct {
	// Request is what the pod asked for; nil for a container outside pods, for a pause container,
	// of which a pod asks nothing, and where it could not be read.
	Request *SecurityRequest `json:"request,omitempty"`
	// Spec is what the runtime was told; nil where it could not be read.
	Spec *SecuritySpec `json:"spec,omitempty"`
	// Detail is why one of them could not be read, or has more than is kept: to compare with a
	// part of it would make up findings, or hide some.
	Detail string `json:"reason,omitempty"`
}

// SecurityRequest is what a pod asked for one of its containers, as the kubelet handed it to the
// runtime: the LinuxContainerSecurityContext and the mounts of the CRI, as far as they are used.
//
// The kubelet fills in what the pod left out: the user of the image, and an unconfined seccomp
// profile. It does not hand over runAsNonRoot.
type SecurityRequest struct {
	// User and Group are nil where they were not set, and Username is empty.
	User     *uint32 `json:"user,omitempty"`
	Username string  `json:"username,omitempty"`
	Group    *uint32 `json:"group,omitempty"`
	// Groups are the supplementary groups, the fsGroup first.
	Groups []uint32 `json:"groups,omitempty"`
	// StrictGroups: the image's /etc/group adds no groups. Containerd 1.6 and 1.7 do not know
	// it, and do not record it.
	StrictGroups bool `json:"strictGroups,omitempty"`
	// Add and Drop are capabilities as they were spelled.
	Add  []string `json:"add,omitempty"`
	Drop []string `json:"drop,omitempty"`

	NoNewPrivileges bool     `json:"noNewPrivileges,omitempty"`
	Privileged      bool     `json:"privileged,omitempty"`
	Seccomp         *Profile `json:"seccomp,omitempty"`
	AppArmor        *Profile `json:"appArmor,omitempty"`
	// SELinux is nil where no option was set.
	SELinux *SELinuxOptions `json:"seLinux,omitempty"`

	ReadOnlyRoot bool `json:"readOnlyRoot,omitempty"`
	// Masked and ReadOnlyPaths are empty where procMount is Unmasked, and for a privileged
	// container they are there and not applied.
	Masked        []string `json:"masked,omitempty"`
	ReadOnlyPaths []string `json:"readOnlyPaths,omitempty"`

	// UserNamespace: hostUsers was false.
	UserNamespace bool    `json:"userNamespace,omitempty"`
	Mounts        []Mount `json:"mounts,omitempty"`
	// Sysctls are those of the pod, by name. If it has any, containerd 2.0 and later record those
	// that they set themselves among them, which are no danger: ip_unprivileged_port_start and
	// ping_group_range.
	Sysctls map[string]string `json:"sysctls,omitempty"`
}

// ProfileType is which profile of seccomp or AppArmor was asked for.
type ProfileType string

// The types, by the names of the API.
const (
	RuntimeDefault ProfileType = "RuntimeDefault"
	Unconfined     ProfileType = "Unconfined"
	Localhost      ProfileType = "Localhost"
)

// ProfileTypes returns all types.
func ProfileTypes() []ProfileType { return []ProfileType{RuntimeDefault, Unconfined, Localhost} }

// Profile is a profile of seccomp or AppArmor that was asked for.
type Profile struct {
	Type ProfileType `json:"type"`
	// Name is the file or the profile of Localhost.
	Name string `json:"name,omitempty"`
}

// SELinuxOptions are the parts of an SELinux context that a pod asks for.
type SELinuxOptions struct {
	User  string `json:"user,omitempty"`
	Role  string `json:"role,omitempty"`
	Type  string `json:"type,omitempty"`
	Level string `json:"level,omitempty"`
}

// SecuritySpec is what the runtime was told: the OCI runtime spec, as far as it is used.
type SecuritySpec struct {
	// UID, GID and Groups are ids in the container's user namespace.
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"`

	// Bounding to Ambient are the capabilities that this program knows by name.
	Bounding    nsinspect.Capabilities `json:"bounding"`
	Effective   nsinspect.Capabilities `json:"effective"`
	Permitted   nsinspect.Capabilities `json:"permitted"`
	Inheritable nsinspect.Capabilities `json:"inheritable"`
	Ambient     nsinspect.Capabilities `json:"ambient"`

	NoNewPrivileges bool `json:"noNewPrivileges,omitempty"`
	// Seccomp: there is a profile, and it does more than allow everything. SeccompAllowsAll: there
	// is one that does not. The kernel has a filter with either.
	Seccomp          bool   `json:"seccomp,omitempty"`
	SeccompAllowsAll bool   `json:"seccompAllowsAll,omitempty"`
	AppArmor         string `json:"appArmor,omitempty"`
	SELinux          string `json:"seLinux,omitempty"`

	ReadOnlyRoot  bool     `json:"readOnlyRoot,omitempty"`
	Masked        []string `json:"masked,omitempty"`
	ReadOnlyPaths []string `json:"readOnlyPaths,omitempty"`

	// Host are the kinds of namespaces that it does not list, which are those of the runtime: the
	// host's.
	Host []nsinspect.Kind `json:"host,omitempty"`
	// Users are the maps of the user namespace; empty without one of its own, and for one that it
	// joins and says nothing of.
	Users nsinspect.IDMaps `json:"users,omitzero"`

	// AllDevices: its device rules allow every device. Devices are those that it adds, where not
	// all are allowed.
	AllDevices bool     `json:"allDevices,omitempty"`
	Devices    []string `json:"devices,omitempty"`
	Mounts     []Mount  `json:"mounts,omitempty"`
	// Sysctls are by name.
	Sysctls map[string]string `json:"sysctls,omitempty"`
}

// Mount is a mount that was asked for.
type Mount struct {
	// Source is the host's file, directory or device. It is empty for a file system of the kernel's
	// and for an image that is mounted as a volume.
	Source   string `json:"source,omitempty"`
	Point    string `json:"point"`
	ReadOnly bool   `json:"readOnly,omitempty"`
	// Recursive: what is mounted below the source is there too.
	Recursive bool `json:"recursive,omitempty"`
	// Receives: what the host mounts below it later appears in the container. Shares: also the
	// other way round.
	Receives bool `json:"receives,omitempty"`
	Shares   bool `json:"shares,omitempty"`
}

// Asks reports whether the host's namespace of a kind was asked for. Of those that a pod has no
// field for, it is what the runtime was told.
func (c *Container) Asks(kind nsinspect.Kind) bool {
	request, spec := c.SecurityRequest(), c.SecuritySpec()
	switch kind {
	case nsinspect.Net, nsinspect.PID, nsinspect.IPC:
		return c.Declared.Asks(kind)
	case nsinspect.User:
		if request != nil {
			return !request.UserNamespace
		}
	case nsinspect.UTS:
		if c.Declared.By == ByPod {
			return c.Declared.Asks(nsinspect.Net) // The host's network comes with its host name.
		}
	case nsinspect.Mnt, nsinspect.Cgroup, nsinspect.Time:
	}
	return spec != nil && slices.Contains(spec.Host, kind)
}

// SecurityRequest returns what the pod asked for; nil where that is not known.
func (c *Container) SecurityRequest() *SecurityRequest {
	if c.Security == nil {
		return nil
	}
	return c.Security.Request
}

// SecuritySpec returns what the runtime was told; nil where that is not known.
func (c *Container) SecuritySpec() *SecuritySpec {
	if c.Security == nil {
		return nil
	}
	return c.Security.Spec
}

// Label returns the label that the runtime was told to have a security module give; empty for none.
func (s *SecuritySpec) Label(module nsinspect.SecurityModule) string {
	switch module {
	case nsinspect.AppArmor:
		return s.AppArmor
	case nsinspect.SELinux:
		return s.SELinux
	default:
		return ""
	}
}
