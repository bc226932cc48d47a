// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Pod is the pod of a container.
type Pod struct {
	Namespace string `json:"namespace,omitempty"`
	// Name is absent where only the UID is known.
	Name string `json:"name,omitempty"`
	UID  string `json:"uid,omitempty"`
}

// ContainerRef names a container.
type ContainerRef struct {
	ID string `json:"id"`
	// Name is the container's in its pod, or the one that its tool gave it.
	Name  string `json:"name,omitempty"`
	Image string `json:"image,omitempty"`
	// RuntimeNamespace is the runtime's namespace, such as k8s.io; absent for a container
	// that is known by its cgroup only.
	RuntimeNamespace string `json:"runtimeNamespace,omitempty"`
	// Runtime is the shim, or the runtime that the cgroup hints at.
	Runtime string `json:"runtime,omitempty"`
	// Sandbox is whether it is the pod's pause container.
	Sandbox bool `json:"sandbox,omitempty"`
}

// Container is a container that was looked at.
type Container struct {
	ContainerRef

	Pod *Pod `json:"pod,omitempty"`
	// Status is the state of its task.
	Status string `json:"status"`
	// PID is its init process.
	PID      int         `json:"pid,omitempty"`
	Declared Declaration `json:"declared"`
	// Processes is how many there are in its cgroup.
	Processes int `json:"processes"`
	// Security is its security context, as the kernel enforces it; absent where it was not read.
	Security *Security `json:"security,omitempty"`
}

// Security is the security context of a container, as the kernel enforces it: what the weakest of
// its threads has.
type Security struct {
	// Users are the first of the effective user and group ids of its threads, "0:0" first, as the
	// host numbers them, and MoreUsers counts the rest.
	Users     []string `json:"users"`
	MoreUsers int      `json:"moreUsers,omitempty"`
	// Capabilities are those that any thread has or may get, without CAP_, in the container's own
	// user namespace. AllCapabilities: these are all that the host has.
	Capabilities    []string `json:"capabilities"`
	AllCapabilities bool     `json:"allCapabilities,omitempty"`
	// NoNewPrivileges: no thread can gain any by executing a program. It is absent where the
	// kernel does not show it.
	NoNewPrivileges *bool `json:"noNewPrivileges,omitempty"`
	// Seccomp: every thread has a filter. It is absent where the kernel does not show it.
	Seccomp *bool `json:"seccomp,omitempty"`
	// Label is that of the security module, of its first process.
	Label string `json:"label,omitempty"`
	// ReadOnlyRoot: nothing can be written to its root file system. It is absent where the mounts
	// were not read.
	ReadOnlyRoot *bool `json:"readOnlyRoot,omitempty"`
	// UserNamespace: it has one of its own.
	UserNamespace bool `json:"userNamespace,omitempty"`
	// Level is the Pod Security level that the kernel enforces; absent outside of pods.
	Level string `json:"level,omitempty"`
}

// Declarer is who declared something.
type Declarer string

// The declarers.
const (
	// ByPod is the pod.
	ByPod Declarer = "pod"
	// BySpec is the runtime spec of a container without a pod.
	BySpec Declarer = "spec"
	// ByNobody is that it was not declared.
	ByNobody Declarer = "nobody"
	// ByUnknown is that the declaration could not be read.
	ByUnknown Declarer = "unknown"
)

// Declared reports whether it is known who declared it.
func (d Declarer) Declared() bool { return d == ByPod || d == BySpec }

// Declaration is which of the host's namespaces and ports were declared.
type Declaration struct {
	By Declarer `json:"by"`
	// Host are the kinds of the host's namespaces that were declared.
	Host []Kind `json:"host,omitempty"`
	// Joined are the namespaces that a runtime spec joins by path, by kind.
	Joined map[Kind]string `json:"joined,omitempty"`
	Ports  []DeclaredPort  `json:"ports,omitempty"`
	// PortsReason is why it is unknown which ports were declared.
	PortsReason string `json:"portsReason,omitempty"`
	// Reason is why the declaration is unknown.
	Reason string `json:"reason,omitempty"`
}

// Protocol is a transport protocol by the name that Kubernetes gives it, or raw.
type Protocol string

// Raw is the protocol of a raw socket: its port is the number of an IP protocol.
const Raw Protocol = "raw"

// DeclaredPort is a port of the host that was declared.
type DeclaredPort struct {
	Protocol Protocol `json:"protocol"`
	// HostAddress is absent for all addresses of the host.
	HostAddress string `json:"hostAddress,omitempty"`
	HostPort    uint16 `json:"hostPort"`
	// ContainerPort is where it leads.
	ContainerPort uint16 `json:"containerPort,omitempty"`
}
