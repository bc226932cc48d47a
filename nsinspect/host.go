// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// HostSource is how the host reference was found. Callers may have others than those here.
type HostSource string

// Ways to the host reference, in the order in which they are tried.
const (
	// ByHostPID is a process that the user named.
	ByHostPID HostSource = "host-pid"
	// ByPID1 is the init process of the procfs.
	ByPID1 HostSource = "pid1"
	// ByKthreadd is the kernel's own thread 2, which is in the machine's initial
	// namespaces and cannot leave them.
	ByKthreadd HostSource = "kthreadd"
	// ByNone means that no process could stand for the host.
	ByNone HostSource = "none"
)

// HostReference is the process whose namespaces stand for the host's.
type HostReference struct {
	// Reference is the way by which it was found.
	Reference HostSource `json:"reference"`
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
	Reference HostSource
	PID       int
}

// Host is an open host reference: a handle of the process that stands for the host. Where no
// process does, its Reference is [ByNone] and its methods answer [ErrNoHost].
type Host struct {
	ref     HostReference
	process *Process
}

// Host opens the first candidate whose namespaces can be read. If there is none, the error
// has the cause for each candidate, and the Host stands for none. The caller closes it.
//
// containers returns the containers that a process is in, outermost first; a candidate for
// which it fails is left out. It may be nil for a caller that does not need them.
func (fs *FS) Host(containers func(*Process) ([]string, error), candidates ...HostCandidate) (*Host, error) {
	var failures []error
	for _, candidate := range candidates {
		host, err := fs.openHost(containers, candidate)
		if err == nil {
			return host, nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", candidate.Reference, err))
	}
	if len(failures) == 0 {
		failures = append(failures, errors.New("there is no candidate"))
	}
	return &Host{ref: HostReference{Reference: ByNone}}, errors.Join(failures...)
}

func (fs *FS) openHost(containers func(*Process) ([]string, error), candidate HostCandidate) (*Host, error) {
	process, err := fs.Open(candidate.PID)
	if err != nil {
		return nil, err
	}
	host := &Host{ref: HostReference{Reference: candidate.Reference, PID: candidate.PID}, process: process}
	if err := host.read(containers); err != nil {
		process.Close()
		return nil, err
	}
	return host, nil
}

// read completes the reference.
func (h *Host) read(containers func(*Process) ([]string, error)) error {
	if h.ref.Reference == ByKthreadd {
		if err := h.process.mustBeKthreadd(); err != nil {
			return err
		}
	}
	var err error
	if h.ref.Namespaces, err = h.process.Namespaces(); err != nil || containers == nil {
		return err
	}
	h.ref.Containers, err = containers(h.process)
	return err
}

// Close releases the handle.
func (h *Host) Close() {
	if h.process != nil {
		h.process.Close()
	}
}

// Ref returns what is known of the reference, as plain data.
func (h *Host) Ref() HostReference { return h.ref }

// Process returns the process that stands for the host, unless it has left the host's
// namespace of this kind. It is open for as long as the Host is.
func (h *Host) Process(kind Kind) (*Process, error) {
	want, ok := h.ref.Namespaces.Get(kind)
	if !ok || h.process == nil {
		return nil, ErrNoHost
	}
	id, err := h.process.Namespace(kind)
	if err != nil {
		return nil, err
	}
	if id != want {
		return nil, fmt.Errorf("process %d is not in the host's %s namespace any more: %w", h.process.pid, kind, ErrVanished)
	}
	return h.process, nil
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

// Initial reports whether this is the procfs of the machine's initial pid namespace, which
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
	text, err := procfd.ReadAll(p.fd, "stat", make([]byte, statBufSize), statBufSize)
	if err != nil {
		return procfd.Classify("read stat", err)
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
