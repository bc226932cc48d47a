// SPDX-License-Identifier: Apache-2.0

// Package inventory lists the containers of a node: who they are, which of the host's
// namespaces and ports they declare, and which security context.
//
// A [Source] is a container runtime. What it answers is a claim, not the truth, so a
// [Container] carries what is not known about it, and the caller compares with the kernel.
// [Remember] keeps the answers for when the source does not answer.
package inventory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// ErrNotFound reports that a source has no such container.
var ErrNotFound = errors.New("no such container")

// Source knows the containers of a node: a container runtime.
type Source interface {
	// List returns all containers, sandboxes among them, in no particular order. What could
	// not be read of them is a problem of the inventory; the error is for an inventory that
	// could not be begun.
	List(ctx context.Context) (Inventory, []Container, error)
	// Get returns one container as it is now. ErrNotFound reports that there is none.
	Get(ctx context.Context, key Key) (Container, error)
}

// Change is what happened to a container.
type Change uint8

// The changes.
const (
	// Started: its task was started.
	Started Change = iota
	// Ended: its task ended, or was deleted.
	Ended
	// Entered: a program was started in it, as kubectl exec and probes do.
	Entered
)

// Sources of an inventory.
const (
	// FromContainerd: the containers come from containerd's lists.
	FromContainerd = "containerd"
	// FromCgroups: there was no containerd to ask, so containers are known by the cgroups of
	// their processes only.
	FromCgroups = "cgroups"
	// FromMemory: containerd does not answer any more, and the containers are those of its
	// earlier answers. Who a container is and what it declared does not change while it exists.
	FromMemory = "memory"
)

// Sources returns all sources of an inventory.
func Sources() []string { return []string{FromContainerd, FromCgroups, FromMemory} }

// Inventory is where a node's containers were learnt from.
type Inventory struct {
	// Source is FromContainerd, FromMemory or FromCgroups.
	Source string `json:"source"`
	// Address is containerd's socket, Version the version that it reports.
	Address string `json:"address,omitempty"`
	Version string `json:"version,omitempty"`
	// Problems are the parts that could not be read, each a sentence.
	Problems []string `json:"problems,omitempty"`
}

// Status is the state of a container's task.
type Status string

// The states, as containerd names them, and NoTask.
const (
	Created Status = "created"
	Running Status = "running"
	Paused  Status = "paused"
	Pausing Status = "pausing"
	Stopped Status = "stopped"
	// Unknown: containerd does not know, for example because the shim does not answer.
	Unknown Status = "unknown"
	// NoTask: containerd lists no task. The container was not started, is gone, or its shim
	// did not answer in time.
	NoTask Status = "none"
)

// Statuses returns all states.
func Statuses() []Status {
	return []Status{Created, Running, Paused, Pausing, Stopped, Unknown, NoTask}
}

// Live reports whether a task in this state has processes.
func (s Status) Live() bool {
	return s == Created || s == Running || s == Paused || s == Pausing
}

// Container is a container, or the sandbox of a pod.
type Container struct {
	// ID is unique within the namespace RuntimeNamespace of the runtime RuntimeName. The
	// name is the one that the runtime gives itself over the CRI; it is empty for a container
	// known by its cgroup only. Containerd's namespaces are "k8s.io", "moby" or "default".
	ID               string `json:"id"`
	RuntimeName      string `json:"runtimeName,omitempty"`
	RuntimeNamespace string `json:"runtimeNamespace,omitempty"`
	// Runtime is the shim, such as "io.containerd.runc.v2", or the runtime that the cgroup
	// path hints at.
	Runtime string `json:"runtime,omitempty"`
	// Name is the container's name in its pod.
	Name  string `json:"name,omitempty"`
	Image string `json:"image,omitempty"`
	// Pod is the pod that the container belongs to, or nil.
	Pod *Pod `json:"pod,omitempty"`
	// Sandbox: this is the pod's pause container.
	Sandbox bool `json:"sandbox,omitempty"`
	// SandboxID is the pod's sandbox: the container's own ID for the sandbox itself.
	SandboxID string `json:"sandboxID,omitempty"`
	// Status is the state of the task, and PID its init process: 0 where not known. The pid
	// of a stopped task may be another process's.
	Status Status `json:"status"`
	PID    int    `json:"pid,omitempty"`
	// CgroupsPath is the runtime spec's linux.cgroupsPath.
	CgroupsPath string `json:"cgroupsPath,omitempty"`
	// Declared is which of the host's namespaces and ports was asked for.
	Declared Declaration `json:"declared"`
	// Security is what was asked of its security context; nil where that is not known.
	Security *Security `json:"security,omitempty"`
}

// Key identifies a container among all of the node.
type Key struct{ RuntimeName, RuntimeNamespace, ID string }

// Compare orders keys.
func (k Key) Compare(other Key) int {
	return cmp.Or(
		strings.Compare(k.RuntimeName, other.RuntimeName),
		strings.Compare(k.RuntimeNamespace, other.RuntimeNamespace),
		strings.Compare(k.ID, other.ID),
	)
}

// Key returns the container's key.
func (c *Container) Key() Key { return Key{c.RuntimeName, c.RuntimeNamespace, c.ID} }

// SandboxKey returns the key of the pod's sandbox.
func (c *Container) SandboxKey() Key { return Key{c.RuntimeName, c.RuntimeNamespace, c.SandboxID} }

// Pod is the pod that a container belongs to.
type Pod struct {
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// UID is the kubelet's: for a static pod its configuration's hash, which is what the
	// mirror pod's events are looked up by.
	UID    string            `json:"uid,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
}

// PodKey tells pods apart. Of one that no source has, only the UID is known.
type PodKey struct{ Namespace, Name, UID string }

// Compare orders keys.
func (k PodKey) Compare(other PodKey) int {
	return cmp.Or(
		strings.Compare(k.Namespace, other.Namespace),
		strings.Compare(k.Name, other.Name),
		strings.Compare(k.UID, other.UID),
	)
}

// Key returns the pod's key.
func (p *Pod) Key() PodKey { return PodKey{p.Namespace, p.Name, p.UID} }

// Declarer is who asked for sharing.
type Declarer string

// The declarers.
const (
	// ByPod is the pod, through its sandbox's CRI configuration.
	ByPod Declarer = "pod"
	// BySpec is the runtime spec of a container that belongs to no pod.
	BySpec Declarer = "spec"
	// ByNobody: what is shared was not asked for.
	ByNobody Declarer = "nobody"
	// ByUnknown: what was asked for could not be read.
	ByUnknown Declarer = "unknown"
)

// Declarers returns all declarers.
func Declarers() []Declarer { return []Declarer{ByPod, BySpec, ByNobody, ByUnknown} }

// Declared reports whether a pod or a spec is known to have asked.
func (d Declarer) Declared() bool { return d == ByPod || d == BySpec }

// Declaration is which of the host's namespaces and ports was asked for.
type Declaration struct {
	// By is ByPod, BySpec or ByUnknown: where the declaration was read.
	By Declarer `json:"by"`
	// Host are the kinds that were asked for: Net, PID, IPC.
	Host []nsinspect.Kind `json:"host,omitempty"`
	// Joined are the namespaces that the spec of a container without a pod joins by path.
	// A path is no declaration: what it leads to shows at run time only.
	Joined map[nsinspect.Kind]string `json:"joined,omitempty"`
	// Ports are the ports of the host that were asked for: of a pod's container its own, of
	// its pause container those that the network plugin was given, and in the host's network
	// also those that the container declares to listen on.
	Ports []Port `json:"ports,omitempty"`
	// PortsDetail is why it is not known which ports were asked for.
	PortsDetail string `json:"portsReason,omitempty"`
	// Detail is why the declaration is unknown.
	Detail string `json:"reason,omitempty"`
}

// Asks reports whether the host's namespace of a kind was asked for.
func (d *Declaration) Asks(kind nsinspect.Kind) bool { return slices.Contains(d.Host, kind) }

// NoDeclaration is a declaration that could not be read, for this cause.
func NoDeclaration(cause string) Declaration {
	return Declaration{By: ByUnknown, Detail: cause}
}

// FromCgroup returns the container that a cgroup path names and no source has, for this cause.
func FromCgroup(ref runtimes.Ref, cause string) Container {
	container := Container{
		ID:       ref.ID,
		Runtime:  ref.Runtime,
		Status:   Unknown,
		Declared: NoDeclaration(cause),
	}
	if ref.PodUID != "" {
		container.Pod = &Pod{UID: ref.PodUID}
	}
	return container
}
