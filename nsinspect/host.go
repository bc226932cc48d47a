package nsinspect

import (
	"errors"
	"fmt"
	"os"
	"strconv"
)

// Ways to the host reference, in the order in which they are tried.
const (
	// ByHostPID is a process that the user named.
	ByHostPID = "host-pid"
	// ByPID1 is the init process of the procfs.
	ByPID1 = "pid1"
	// ByContainerd is the daemon at the other end of containerd's socket.
	ByContainerd = "containerd"
	// ByKthreadd is the kernel's own thread 2, which is in the machine's initial
	// namespaces and cannot leave them.
	ByKthreadd = "kthreadd"
	// ByNone says that no process could stand for the host.
	ByNone = "none"
)

// HostReference is the process whose namespaces stand for the host's.
type HostReference struct {
	// Reference is the way by which it was found, one of the By constants.
	Reference string `json:"reference"`
	// PID is the process, as the procfs numbers it; 0 without a reference.
	PID int `json:"pid,omitempty"`
	// Namespaces are the host's.
	Namespaces Namespaces `json:"namespaces"`
	// Containers are the containers that the host itself is in, outermost first: a kind
	// node is a container of the machine around it.
	Containers []string `json:"containers,omitempty"`
}

// HostCandidate is a process that may stand for the host.
type HostCandidate struct {
	Reference string
	PID       int
}

// HostReference returns the first candidate whose namespaces can be read. If there is
// none, the reference is [ByNone] and the error says of each candidate why.
func (fs *FS) HostReference(candidates ...HostCandidate) (HostReference, error) {
	var failures []error
	for _, candidate := range candidates {
		ref, err := fs.hostReference(candidate)
		if err == nil {
			return ref, nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", candidate.Reference, err))
	}
	if len(failures) == 0 {
		failures = append(failures, errors.New("there is no candidate"))
	}
	return HostReference{Reference: ByNone}, errors.Join(failures...)
}

func (fs *FS) hostReference(candidate HostCandidate) (HostReference, error) {
	process, err := fs.Open(candidate.PID)
	if err != nil {
		return HostReference{}, err
	}
	defer process.Close()
	if candidate.Reference == ByKthreadd {
		if err := process.mustBeKthreadd(); err != nil {
			return HostReference{}, err
		}
	}
	namespaces, err := process.Namespaces()
	if err != nil {
		return HostReference{}, err
	}
	entries, err := process.Cgroups()
	if err != nil {
		return HostReference{}, err
	}
	return HostReference{
		Reference:  candidate.Reference,
		PID:        candidate.PID,
		Namespaces: namespaces,
		Containers: containerIDs(entries),
	}, nil
}

// openHost opens the process that is the host reference, unless its pid is another's by now
// or it has left the host's namespace of this kind.
func (fs *FS) openHost(host HostReference, kind Kind) (*Process, error) {
	if _, ok := host.Namespaces.Get(kind); !ok {
		return nil, errNoHost
	}
	process, err := fs.Open(host.PID)
	if err != nil {
		return nil, err
	}
	if err := process.mustBeHost(host, kind); err != nil {
		process.Close()
		return nil, err
	}
	return process, nil
}

// mustBeHost fails unless the process is in the host's namespace of this kind.
func (p *Process) mustBeHost(host HostReference, kind Kind) error {
	id, err := p.Namespace(kind)
	if want, _ := host.Namespaces.Get(kind); err == nil && id != want {
		err = fmt.Errorf("process %d is not in the host's %s namespace any more: %w", p.pid, kind, ErrVanished)
	}
	return err
}

// containerIDs returns the containers that any of the entries names.
func containerIDs(entries []CgroupEntry) []string {
	var ids []string
	seen := make(map[string]bool)
	for _, entry := range entries {
		for _, ref := range ContainerRefs(entry.Path) {
			if !seen[ref.ID] {
				seen[ref.ID] = true
				ids = append(ids, ref.ID)
			}
		}
	}
	return ids
}

// Self returns the pid of this process as the procfs numbers it, or 0 if it is not in it.
func (fs *FS) Self() int {
	target, err := os.Readlink(fs.path("self"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(target)
	if err != nil {
		return 0
	}
	return pid
}

// Initial says whether this is the procfs of the machine's initial pid namespace, which
// alone shows the kernel's threads. A kind node's, or a container's, is not.
func (fs *FS) Initial() bool {
	process, err := fs.Open(KthreaddPID)
	if err != nil {
		return false
	}
	defer process.Close()
	return process.mustBeKthreadd() == nil
}

// KthreaddPID is the pid of the kernel's thread that makes all others, in the initial pid
// namespace.
const KthreaddPID = 2

// mustBeKthreadd fails unless the process is the kernel's own: another pid namespace may
// have any process at that number.
func (p *Process) mustBeKthreadd() error {
	text, err := readAll(p.fd, "stat", make([]byte, statBufSize), statBufSize)
	if err != nil {
		return classify("read stat", err)
	}
	stat, ok := parseStat(text)
	if !ok {
		return fmt.Errorf("malformed stat of process %d", p.pid)
	}
	if !stat.isKthreadd() {
		return fmt.Errorf("process %d is not the kernel's kthreadd", p.pid)
	}
	return nil
}
