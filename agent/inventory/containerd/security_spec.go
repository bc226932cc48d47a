// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// securitySpec is the part of the OCI runtime spec (config.md, config-linux.md) that is about the
// security context.
type securitySpec struct {
	Process *specProcess `json:"process"`
	Root    *struct {
		ReadOnly bool `json:"readonly"`
	} `json:"root"`
	Mounts list[specMount] `json:"mounts"`
	Linux  *specLinux      `json:"linux"`
}

type specProcess struct {
	User struct {
		UID    uint32       `json:"uid"`
		GID    uint32       `json:"gid"`
		Groups list[uint32] `json:"additionalGids"`
	} `json:"user"`
	Capabilities struct {
		Bounding    list[string] `json:"bounding"`
		Effective   list[string] `json:"effective"`
		Permitted   list[string] `json:"permitted"`
		Inheritable list[string] `json:"inheritable"`
		Ambient     list[string] `json:"ambient"`
	} `json:"capabilities"`
	NoNewPrivileges bool   `json:"noNewPrivileges"`
	AppArmor        string `json:"apparmorProfile"`
	SELinux         string `json:"selinuxLabel"`
}

type specLinux struct {
	Namespaces  list[specNamespace]        `json:"namespaces"`
	UIDs        list[specs.LinuxIDMapping] `json:"uidMappings"`
	GIDs        list[specs.LinuxIDMapping] `json:"gidMappings"`
	Seccomp     *specSeccomp               `json:"seccomp"`
	Masked      list[string]               `json:"maskedPaths"`
	ReadOnly    list[string]               `json:"readonlyPaths"`
	Sysctls     map[string]string          `json:"sysctl"`
	Propagation string                     `json:"rootfsPropagation"`
	Devices     list[struct {
		Path string `json:"path"`
	}] `json:"devices"`
	Resources struct {
		Devices list[specs.LinuxDeviceCgroup] `json:"devices"`
	} `json:"resources"`
}

// specSeccomp is what a seccomp profile does, without the system calls, of which there are hundreds.
type specSeccomp struct {
	DefaultAction specs.LinuxSeccompAction `json:"defaultAction"`
	Rules         list[struct {
		Action specs.LinuxSeccompAction `json:"action"`
	}] `json:"syscalls"`
}

var (
	errNoProcess = errors.New("decode runtime spec: it has no process")
	errNoLinux   = errors.New("decode runtime spec: it has no Linux section")
	errIDRange   = errors.New("it maps ids beyond the last one")
)

// decodeSecuritySpec decodes a runtime spec apart from [decodeSpec]: a form that is new in the
// security context may not make the rest unknown.
func decodeSecuritySpec(data []byte) (*inventory.SecuritySpec, error) {
	spec, err := decodeJSON[securitySpec]("runtime spec", data)
	switch {
	case err != nil:
		return nil, err
	case spec.Process == nil:
		return nil, errNoProcess
	case spec.Linux == nil:
		return nil, errNoLinux
	}
	var l layer
	security := &inventory.SecuritySpec{Mounts: l.specMounts(spec.Mounts, spec.Linux.Propagation)}
	if spec.Root != nil {
		security.ReadOnlyRoot = spec.Root.ReadOnly
	}
	l.process(security, spec.Process)
	l.linux(security, spec.Linux)
	if l.err != nil {
		return nil, fmt.Errorf("decode runtime spec: %w", l.err)
	}
	return security, nil
}

func (l *layer) process(security *inventory.SecuritySpec, process *specProcess) {
	security.UID, security.GID, security.Groups = process.User.UID, process.User.GID, process.User.Groups.entries
	l.count(process.User.Groups.more)
	security.Bounding = l.capabilities(process.Capabilities.Bounding)
	security.Effective = l.capabilities(process.Capabilities.Effective)
	security.Permitted = l.capabilities(process.Capabilities.Permitted)
	security.Inheritable = l.capabilities(process.Capabilities.Inheritable)
	security.Ambient = l.capabilities(process.Capabilities.Ambient)
	security.NoNewPrivileges = process.NoNewPrivileges
	security.AppArmor, security.SELinux = l.text(process.AppArmor), l.text(process.SELinux)
}

// capabilities returns the capabilities of these names. A runtime ignores those that it does not
// know, such as names without CAP_ or in small letters.
func (l *layer) capabilities(names list[string]) nsinspect.Capabilities {
	l.count(names.more)
	var set nsinspect.Capabilities
	for _, name := range names.entries {
		if bare, ok := strings.CutPrefix(name, "CAP_"); ok {
			capability, _ := nsinspect.CapabilityNamed(bare)
			set |= capability
		}
	}
	return set
}

func (l *layer) linux(security *inventory.SecuritySpec, linux *specLinux) {
	security.Host = l.hostKinds(linux.Namespaces)
	if !slices.Contains(security.Host, nsinspect.User) {
		security.Users = nsinspect.IDMaps{UIDs: l.idMap(linux.UIDs), GIDs: l.idMap(linux.GIDs)}
	}
	security.Seccomp, security.SeccompAllowsAll = l.seccomp(linux.Seccomp)
	security.Masked, security.ReadOnlyPaths = l.texts(linux.Masked), l.texts(linux.ReadOnly)
	security.Sysctls = l.settings(linux.Sysctls)
	l.count(linux.Resources.Devices.more)
	if security.AllDevices = allDevices(linux.Resources.Devices.entries); security.AllDevices {
		return
	}
	l.count(linux.Devices.more)
	for _, device := range linux.Devices.entries {
		security.Devices = append(security.Devices, l.text(device.Path))
	}
}

// hostKinds returns the kinds that a spec does not list.
func (l *layer) hostKinds(listed list[specNamespace]) []nsinspect.Kind {
	l.count(listed.more)
	var host []nsinspect.Kind
	for _, kind := range nsinspect.Kinds() {
		if !slices.ContainsFunc(listed.entries, func(n specNamespace) bool { return n.Type == specName(kind) }) {
			host = append(host, kind)
		}
	}
	return host
}

// specName returns the name that the runtime spec (config-linux.md) gives a kind.
func specName(kind nsinspect.Kind) string {
	switch kind {
	case nsinspect.Net:
		return string(specs.NetworkNamespace)
	case nsinspect.Mnt:
		return string(specs.MountNamespace)
	case nsinspect.PID, nsinspect.IPC, nsinspect.User, nsinspect.UTS, nsinspect.Cgroup, nsinspect.Time:
	}
	return kind.String()
}

// idMap takes over the mappings of a user namespace.
func (l *layer) idMap(mappings list[specs.LinuxIDMapping]) nsinspect.IDMap {
	l.count(mappings.more)
	var ranges nsinspect.IDMap
	for _, m := range mappings.entries {
		if m.Size == 0 {
			continue
		}
		if m.Size-1 > math.MaxUint32-m.HostID || m.Size-1 > math.MaxUint32-m.ContainerID {
			l.fail(errIDRange)
			return nil
		}
		ranges = append(ranges, nsinspect.IDRange{Inside: m.ContainerID, Outside: m.HostID, Count: m.Size})
	}
	return ranges
}

// seccomp reports whether a profile restricts anything, and if not, whether there is one at all: a
// filter that lets everything pass is there in the kernel and shows nothing. Runc takes one
// without an action and rules for none (libcontainer/specconv, SetupSeccomp).
func (l *layer) seccomp(profile *specSeccomp) (restricts, allowsAll bool) {
	if profile == nil || profile.DefaultAction == "" && len(profile.Rules.entries) == 0 {
		return false, false
	}
	l.count(profile.Rules.more)
	restricts = !passes(profile.DefaultAction)
	for _, rule := range profile.Rules.entries {
		restricts = restricts || !passes(rule.Action)
	}
	return restricts, !restricts
}

// passes reports whether an action lets a system call pass.
func passes(action specs.LinuxSeccompAction) bool {
	return action == specs.ActAllow || action == specs.ActLog
}

// allDevices reports whether rules of the device cgroup let a container read and write every
// device. Later rules go before earlier ones; those about single devices make no difference.
func allDevices(rules []specs.LinuxDeviceCgroup) bool {
	character, block := false, false
	for _, rule := range rules {
		if !wildcard(rule.Major) || !wildcard(rule.Minor) || rule.Access != "" && !strings.ContainsAny(rule.Access, "rw") {
			continue
		}
		allow := rule.Allow && (rule.Access == "" || strings.Contains(rule.Access, "r") && strings.Contains(rule.Access, "w"))
		switch rule.Type {
		case "", "a":
			character, block = allow, allow
		case "c":
			character = allow
		case "b":
			block = allow
		}
	}
	return character && block
}

func wildcard(number *int64) bool { return number == nil || *number < 0 }
