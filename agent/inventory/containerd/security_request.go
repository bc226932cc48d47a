// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// criRequest is the part of the CRI plugin's record of a container that is about its security
// context: ContainerConfig of the CRI. What is 0 or empty is left out.
type criRequest struct {
	Metadata struct {
		Config struct {
			Mounts list[criMount] `json:"mounts"`
			Linux  struct {
				SecurityContext criSecurityContext `json:"security_context"`
			} `json:"linux"`
		}
	}
}

// criSecurityContext is LinuxContainerSecurityContext of the CRI. Of its messages, one without
// fields is not the same as none: `{}` is user 0, and the runtime's default profile.
type criSecurityContext struct {
	Capabilities struct {
		Add  list[string] `json:"add_capabilities"`
		Drop list[string] `json:"drop_capabilities"`
	} `json:"capabilities"`
	Privileged       bool                 `json:"privileged"`
	NamespaceOptions *criNamespaceOptions `json:"namespace_options"`
	SELinux          struct {
		User  string `json:"user"`
		Role  string `json:"role"`
		Type  string `json:"type"`
		Level string `json:"level"`
	} `json:"selinux_options"`
	User         *criID       `json:"run_as_user"`
	Group        *criID       `json:"run_as_group"`
	Username     string       `json:"run_as_username"`
	ReadOnlyRoot bool         `json:"readonly_rootfs"`
	Groups       list[int64]  `json:"supplemental_groups"`
	GroupsPolicy int          `json:"supplemental_groups_policy"`
	NoNewPrivs   bool         `json:"no_new_privs"`
	Masked       list[string] `json:"masked_paths"`
	ReadOnly     list[string] `json:"readonly_paths"`
	Seccomp      *criProfile  `json:"seccomp"`
	AppArmor     *criProfile  `json:"apparmor"`
	// The two from before there were messages for them.
	SeccompPath     string `json:"seccomp_profile_path"`
	AppArmorProfile string `json:"apparmor_profile"`
}

type criID struct {
	Value int64 `json:"value"`
}

// criProfile is SecurityProfile of the CRI.
type criProfile struct {
	Type int    `json:"profile_type"`
	Ref  string `json:"localhost_ref"`
}

// criNamespaceOptions is the part of NamespaceOption of the CRI that is about user namespaces.
type criNamespaceOptions struct {
	// Users is nil for the host's. Its mode 0 is POD.
	Users *struct {
		Mode int `json:"mode"`
	} `json:"userns_options"`
}

// ownUsers reports whether a user namespace was asked for: hostUsers was false.
func (o *criNamespaceOptions) ownUsers() bool {
	return o != nil && o.Users != nil && o.Users.Mode != modeNode
}

// criSandboxRequest is the part of the CRI plugin's record of a sandbox that its containers' security
// contexts share: PodSandboxConfig of the CRI.
type criSandboxRequest struct {
	Metadata struct {
		Config struct {
			Linux struct {
				SecurityContext struct {
					NamespaceOptions *criNamespaceOptions `json:"namespace_options"`
				} `json:"security_context"`
				Sysctls map[string]string `json:"sysctls"`
			} `json:"linux"`
		}
	}
}

// policyStrict is SupplementalGroupsPolicy Strict of the CRI.
const policyStrict = 1

// localhostPrefix is what names of profiles once had, and the kubelet still gives some.
const localhostPrefix = "localhost/"

var (
	errNoID      = errors.New("it has a user or group id that is none")
	errNoProfile = errors.New("it asks for a profile of an unknown type")
)

// decodeRequest decodes what a pod asked for one of its containers. Sysctls are in the record of
// its sandbox.
func decodeRequest(data []byte) (*inventory.SecurityRequest, error) {
	record, err := decodeJSON[criRequest]("CRI metadata", data)
	if err != nil {
		return nil, err
	}
	config := &record.Metadata.Config
	var l layer
	request := l.request(&config.Linux.SecurityContext)
	request.Mounts = l.criMounts(config.Mounts)
	if l.err != nil {
		return nil, fmt.Errorf("decode CRI metadata: %w", l.err)
	}
	return request, nil
}

// sandboxRequest is what a pod asked for by way of its sandbox, or why that is not known.
type sandboxRequest struct {
	userNamespace bool
	sysctls       map[string]string
	err           error
}

func decodeSandboxRequest(data []byte) sandboxRequest {
	record, err := decodeJSON[criSandboxRequest]("CRI metadata", data)
	if err != nil {
		return sandboxRequest{err: err}
	}
	linux := &record.Metadata.Config.Linux
	var l layer
	asked := sandboxRequest{
		userNamespace: linux.SecurityContext.NamespaceOptions.ownUsers(),
		sysctls:       l.settings(linux.Sysctls),
	}
	if l.err != nil {
		return sandboxRequest{err: fmt.Errorf("decode CRI metadata: %w", l.err)}
	}
	return asked
}

func (l *layer) request(context *criSecurityContext) *inventory.SecurityRequest {
	request := &inventory.SecurityRequest{
		User:            l.id(context.User),
		Username:        l.text(context.Username),
		Group:           l.id(context.Group),
		Groups:          l.groups(context.Groups),
		StrictGroups:    context.GroupsPolicy == policyStrict,
		Add:             l.texts(context.Capabilities.Add),
		Drop:            l.texts(context.Capabilities.Drop),
		NoNewPrivileges: context.NoNewPrivs,
		Privileged:      context.Privileged,
		Seccomp:         l.profile(context.Seccomp, context.SeccompPath),
		AppArmor:        l.profile(context.AppArmor, context.AppArmorProfile),
		ReadOnlyRoot:    context.ReadOnlyRoot,
		Masked:          l.texts(context.Masked),
		ReadOnlyPaths:   l.texts(context.ReadOnly),
		UserNamespace:   context.NamespaceOptions.ownUsers(),
	}
	options := inventory.SELinuxOptions(context.SELinux)
	if options != (inventory.SELinuxOptions{}) {
		for _, text := range []string{options.User, options.Role, options.Type, options.Level} {
			l.text(text)
		}
		request.SELinux = &options
	}
	return request
}

// id returns a user or group id; nil where none is set.
func (l *layer) id(id *criID) *uint32 {
	if id == nil {
		return nil
	}
	return new(l.number(id.Value))
}

func (l *layer) groups(ids list[int64]) []uint32 {
	l.count(ids.more)
	var groups []uint32
	for _, id := range ids.entries {
		groups = append(groups, l.number(id))
	}
	return groups
}

func (l *layer) number(id int64) uint32 {
	if id < 0 || id > math.MaxUint32 {
		l.fail(errNoID)
		return 0
	}
	return uint32(id)
}

// profile returns the profile that was asked for, which in old records is a text; nil where none
// is.
func (l *layer) profile(profile *criProfile, old string) *inventory.Profile {
	if profile == nil {
		return l.oldProfile(old)
	}
	switch profile.Type {
	case 0:
		return &inventory.Profile{Type: inventory.RuntimeDefault}
	case 1:
		return &inventory.Profile{Type: inventory.Unconfined}
	case 2:
		return &inventory.Profile{Type: inventory.Localhost, Name: l.text(strings.TrimPrefix(profile.Ref, localhostPrefix))}
	}
	l.fail(errNoProfile)
	return nil
}

func (l *layer) oldProfile(text string) *inventory.Profile {
	name, local := strings.CutPrefix(text, localhostPrefix)
	switch {
	case text == "":
		return nil
	case text == "runtime/default", text == "docker/default":
		return &inventory.Profile{Type: inventory.RuntimeDefault}
	case text == "unconfined":
		return &inventory.Profile{Type: inventory.Unconfined}
	case local:
		return &inventory.Profile{Type: inventory.Localhost, Name: l.text(name)}
	}
	l.fail(errNoProfile)
	return nil
}
