// Package inventory says which containers a node has, who they are, and which of the
// host's namespaces and ports was asked for on their behalf.
//
// It asks containerd, over its socket, in a handful of calls that each have a deadline.
// What containerd answers is a claim, not the truth: a task whose shim hangs is left out
// of its list or blanked, and stopped ones keep their dead pid. So a [Container] carries
// what is not known about it, and the caller compares with the kernel.
package inventory

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// ErrNotFound reports that a source knows no such container.
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

// Sources of an inventory.
const (
	// FromContainerd says that the containers come from containerd's lists.
	FromContainerd = "containerd"
	// FromCgroups says that there was no containerd to ask, so that containers are known
	// by the cgroups of their processes only.
	FromCgroups = "cgroups"
	// FromMemory says that containerd does not answer any more, and that the containers
	// are those of its earlier answers: who a container is and what it declared does not
	// change while it exists.
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
	// Unknown says that containerd could not tell, as when the shim does not answer.
	Unknown Status = "unknown"
	// NoTask says that containerd lists no task: the container was not started, is gone,
	// or its shim did not answer in time.
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
	// Sandbox says that this is the pod's pause container.
	Sandbox bool `json:"sandbox,omitempty"`
	// SandboxID is the pod's sandbox: the container's own ID for the sandbox itself.
	SandboxID string `json:"sandboxID,omitempty"`
	// Status is the state of the task, and PID its init process: 0 where not known. Once
	// the task is stopped the pid may belong to anyone.
	Status Status `json:"status"`
	PID    int    `json:"pid,omitempty"`
	// CgroupsPath is the runtime spec's linux.cgroupsPath.
	CgroupsPath string `json:"cgroupsPath,omitempty"`
	// Declared is which of the host's namespaces and ports was asked for.
	Declared Declaration `json:"declared"`
}

// Containerd is containerd's RuntimeName.
const Containerd = "containerd"

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

// Declarer is who asked for sharing.
type Declarer string

// The declarers.
const (
	// ByPod is the pod, through its sandbox's CRI configuration.
	ByPod Declarer = "pod"
	// BySpec is the runtime spec of a container that belongs to no pod.
	BySpec Declarer = "spec"
	// ByNobody says that what is shared was not asked for.
	ByNobody Declarer = "nobody"
	// ByUnknown says that it could not be read what was asked for.
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
	// its pause container those that the network plugin was told of, and in the host's network
	// also those that the container is said to listen on.
	Ports []Port `json:"ports,omitempty"`
	// PortsReason says why it is not known which ports were asked for.
	PortsDetail string `json:"portsReason,omitempty"`
	// Reason says why the declaration is unknown.
	Detail string `json:"reason,omitempty"`
}

// UnknownDeclaration is the declaration that could not be read.
func NoDeclaration(reason string) Declaration {
	return Declaration{By: ByUnknown, Detail: reason}
}

// FromCgroup returns the container that a cgroup path names, without a containerd that
// knows it.
func FromCgroup(ref runtimes.Ref, reason string) Container {
	container := Container{
		ID:       ref.ID,
		Runtime:  ref.Runtime,
		Status:   Unknown,
		Declared: NoDeclaration(reason),
	}
	if ref.PodUID != "" {
		container.Pod = &Pod{UID: ref.PodUID}
	}
	return container
}
