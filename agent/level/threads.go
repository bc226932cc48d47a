// SPDX-License-Identifier: Apache-2.0

package level

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

const (
	// netBindService is the one that Restricted allows to add.
	netBindService nsinspect.Capabilities = 1 << 10
	// maxNames caps the capabilities, mounts and sysctls that a violation names.
	maxNames = 8
)

// thread is what is known of the threads of a process that have the same credentials.
type thread struct {
	process     *snapshot.Process
	credentials *snapshot.Credentials
	// unconfirmed are the ways in which they looked weaker than the spec for a moment only.
	unconfirmed inventory.Weakness
	nested      bool
}

// first returns the first of the container's threads that fit; nil for none.
func (j *containerJudge) first(fits func(*thread) bool) *thread {
	t := new(thread) // One for all: there are many.
	for i := range j.container.Processes {
		process := &j.container.Processes[i]
		nested := j.container.IsNested(process, j.host)
		for k := range process.Credentials {
			group := &process.Credentials[k]
			*t = thread{process, &j.container.Credentials[group.Set], group.Unconfirmed, nested}
			if fits(t) {
				return t
			}
		}
	}
	return nil
}

// hostNamespaces judges the kernel's namespaces. A container in the host's mount namespace, or with
// the host's root directory, has all of the host's files: that is for the volumes.
func (j *containerJudge) hostNamespaces() {
	var shared []string
	var in *snapshot.Process
	for _, kind := range [...]nsinspect.Kind{nsinspect.Net, nsinspect.PID, nsinspect.IPC} {
		process, known := j.inHost(kind)
		if !known {
			j.unread = true
			j.unverify(hostNamespaces)
		}
		if process != nil {
			shared, in = append(shared, kind.String()), process
		}
	}
	if in != nil {
		j.violate(Baseline, hostNamespaces, "the host's %s (%s)", strings.Join(shared, ", "), j.of(in))
	}
}

// inHost returns the first process with threads in the host's namespace of a kind, and whether the
// host's is known.
func (j *containerJudge) inHost(kind nsinspect.Kind) (*snapshot.Process, bool) {
	host, known := j.host.Namespaces.Get(kind)
	if !known {
		return nil, false
	}
	for i := range j.container.Processes {
		process := &j.container.Processes[i]
		for k := range process.Groups {
			if id, ok := process.Groups[k].Namespaces.Get(kind); ok && id == host {
				return process, true
			}
		}
	}
	return nil, true
}

// capabilities judges what any thread has or may get. In a user namespace below the container's a
// process has all of them, which are worth nothing outside of it. Baseline forbids to add NET_RAW,
// which runtimes give anyway: that a pod asked for what it has shows in its declaration only.
func (j *containerJudge) capabilities() {
	var held nsinspect.Capabilities
	for _, allowed := range [...]struct {
		level Level
		set   nsinspect.Capabilities
	}{{Baseline, runtimes.DefaultCapabilities}, {Restricted, netBindService}} {
		var in *snapshot.Process
		j.first(func(t *thread) bool {
			if beyond := j.held(t).Without(allowed.set); beyond != 0 {
				held |= beyond
				if in == nil {
					in = t.process
				}
			}
			return false
		})
		if in != nil {
			j.violate(allowed.level, capabilities, "%s (%s)", j.capabilityNames(held), j.of(in))
			return
		}
	}
}

// held returns the capabilities that threads have or may get.
func (j *containerJudge) held(t *thread) nsinspect.Capabilities {
	if t.nested {
		return 0
	}
	held := t.credentials.Holds()
	if t.unconfirmed.Has(inventory.MoreCapabilities) && j.spec != nil {
		held &= j.spec.Holds()
	}
	return held
}

func (j *containerJudge) capabilityNames(set nsinspect.Capabilities) string {
	if all := j.security.Bounding.Without(runtimes.DefaultCapabilities); all != 0 && all.Without(set) == 0 {
		return "all capabilities of the host"
	}
	return list(set.Names())
}

// list joins the first of some names.
func list(names []string) string {
	if more := len(names) - maxNames; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNames], ", "), more)
	}
	return strings.Join(names, ", ")
}

// escalation judges whether a program can give a thread more than it has. Where the kernel does
// not show it, the spec counts.
func (j *containerJudge) escalation() {
	found := j.first(func(t *thread) bool {
		if !t.credentials.Known.Has(nsinspect.FieldNoNewPrivileges) {
			j.unverify(privilegeEscalation)
			return j.spec != nil && !j.spec.NoNewPrivileges
		}
		return !t.credentials.NoNewPrivileges && !t.unconfirmed.Has(inventory.NewPrivileges)
	})
	if found != nil {
		j.violate(Restricted, privilegeEscalation, "no_new_privs is not set (%s)", j.of(found.process))
	}
}

// nonRoot judges whether any thread is the host's root. The root of a user namespace of the
// container's own is not, and the standards allow it since Kubernetes 1.35.
func (j *containerJudge) nonRoot() {
	found := j.first(func(t *thread) bool {
		return t.credentials.UIDs.Has(0) && !t.unconfirmed.Has(inventory.IsRoot)
	})
	if found != nil {
		j.violate(Restricted, nonRoot, "uid 0 (%s)", j.of(found.process))
	}
}

// seccomp judges whether the runtime has put a filter on each thread: one that a program has put
// on itself is none. What a filter allows is not looked at, unless it is everything. Baseline forbids
// to ask for none, which looks the same as not to ask for one.
func (j *containerJudge) seccomp() {
	if j.spec == nil {
		return
	}
	found := j.first(func(t *thread) bool {
		if !t.credentials.Known.Has(nsinspect.FieldSeccomp) {
			j.unverify(seccomp)
			return !j.spec.Seccomp
		}
		return !j.spec.Seccomp || t.credentials.Seccomp != nsinspect.SeccompFilter && !t.unconfirmed.Has(inventory.NoFilter)
	})
	if found == nil {
		return
	}
	switch {
	case j.spec.Seccomp:
		j.unverify(seccomp)
		j.violate(Restricted, seccomp, "no filter (%s)", j.of(found.process))
	case j.spec.SeccompAllowsAll:
		j.violate(Restricted, seccomp, "the profile allows every system call")
	default:
		j.unverify(seccomp)
		j.violate(Restricted, seccomp, "the runtime was given no profile")
	}
}

// label judges how the security module confines each thread, where the runtime uses it.
func (j *containerJudge) label() {
	if !j.labels {
		return
	}
	c := appArmor
	if j.security.Module == nsinspect.SELinux {
		c = seLinux
	}
	found := j.first(func(t *thread) bool {
		if t.unconfirmed == inventory.AnyWeakness {
			return false // It was still the runtime's.
		}
		if t.credentials.Label == nil {
			j.unverify(c)
			return false
		}
		return !confines(t.credentials.Label)
	})
	if found != nil {
		label := found.credentials.Label
		mode := ""
		if label.Mode != "" {
			mode = " in " + label.Mode + " mode"
		}
		j.violate(Baseline, c, "%s%s (%s)", label.Name, mode, j.of(found.process))
	}
}

// confines reports whether a label is one that Baseline allows. A profile of AppArmor in complain
// mode forbids nothing.
func confines(label *nsinspect.Label) bool {
	if label.Module == nsinspect.SELinux {
		return slices.Contains([]string{"container_t", "container_init_t", "container_kvm_t", "container_engine_t"}, label.Type())
	}
	return label.Name != nsinspect.Unconfined && label.Mode != "complain"
}
