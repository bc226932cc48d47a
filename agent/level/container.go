// SPDX-License-Identifier: Apache-2.0

package level

import (
	"fmt"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// node is what the containers of a node are judged by.
type node struct {
	snap     *snapshot.Snapshot
	host     *nsinspect.HostReference
	security *snapshot.HostSecurity
	// labels: the runtime has confined a container by the host's security module. Where it never
	// does, because it was built or configured without, the module is not in use for containers.
	labels bool
}

func nodeOf(snap *snapshot.Snapshot) *node {
	n := &node{snap: snap, host: &snap.Host, security: snap.HostSecurity}
	for i := range snap.Containers {
		if spec := snap.Containers[i].SecuritySpec(); spec != nil && spec.Label(n.security.Module) != "" {
			n.labels = true
		}
	}
	return n
}

// containerJudge collects what keeps one container from a higher level.
type containerJudge struct {
	*node

	container *snapshot.Container
	// spec is nil where it was not read.
	spec *inventory.SecuritySpec
	// ended: there is no process to look at, so it is judged by its spec.
	ended bool
	// unread: something was not read without which there is no level.
	unread bool

	violations []Violation
	unverified controlSet
}

// judge judges one container. Of a pause container, which runs nothing of the pod's, only the
// ports that lead to it are the pod's.
func (n *node) judge(container *snapshot.Container) *containerJudge {
	j := &containerJudge{node: n, container: container, spec: container.SecuritySpec()}
	if container.Sandbox {
		j.hostPorts()
		return j
	}
	j.seen()
	if j.ended {
		j.container, _ = n.snap.AsSpecified(&container.Container)
	}
	j.hostNamespaces()
	j.privileged()
	j.capabilities()
	j.volumes()
	j.hostPorts()
	j.label()
	j.procMount()
	j.sysctls()
	j.escalation()
	j.nonRoot()
	j.seccomp()
	return j
}

// level returns the container's level. What was found is certain, whatever was not read beside it.
func (j *containerJudge) level() Level {
	lowest := Restricted
	for i := range j.violations {
		switch j.violations[i].Level {
		case Baseline:
			return Privileged
		default:
			lowest = Baseline
		}
	}
	if j.unread {
		return Unknown
	}
	return lowest
}

// seen finds out what of the container is known.
func (j *containerJudge) seen() {
	container := j.container
	unread := &container.Unread
	gaps := len(unread.Gaps)+len(unread.Security) > 0
	j.ended = len(container.Processes) == 0 && !gaps && j.spec != nil &&
		(container.Status == inventory.Stopped || container.Status == inventory.NoTask)
	if gaps || len(container.Credentials) == 0 && !j.ended {
		j.unread = true
		j.unverify(hostNamespaces, capabilities, privilegeEscalation, nonRoot, seccomp)
	}
	if j.spec == nil || container.Security.Detail != "" {
		j.unread = true
		j.unverify(privilegedContainers, hostPathVolumes, procMount, seccomp, sysctls, volumeTypes)
	}
}

// violate notes something that a level forbids.
func (j *containerJudge) violate(level Level, c control, format string, args ...any) {
	j.violations = append(j.violations, Violation{
		Level: level, Control: controlNames[c], Container: j.name(), Detail: fmt.Sprintf(format, args...),
	})
}

func (j *containerJudge) unverify(controls ...control) { j.unverified = j.unverified.with(controls...) }

// name returns the container's name in its pod; what is found at the pause container is about the
// whole pod.
func (j *containerJudge) name() string {
	switch {
	case j.container.Sandbox:
		return ""
	case j.container.Name == "":
		return j.container.ID
	}
	return j.container.Name
}

// of says whose evidence it is.
func (j *containerJudge) of(process *snapshot.Process) string {
	if j.ended {
		return "by its spec: it has ended"
	}
	return fmt.Sprintf("PID %d", process.PID)
}
