// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// SecurityModule is a Linux security module that labels processes.
type SecurityModule string

// The modules whose labels are known.
const (
	AppArmor SecurityModule = "AppArmor"
	SELinux  SecurityModule = "SELinux"
)

// Label is how a security module confines a thread.
type Label struct {
	Module SecurityModule `json:"module"`
	// Name is the profile of AppArmor, or its stack of profiles, or the context of SELinux:
	// user:role:type:level. Whoever loads a profile names it: escape it before it is shown.
	Name string `json:"name"`
	// Mode is that of AppArmor's profile: enforce, complain, kill, mixed; empty for a process
	// that is unconfined, and for SELinux.
	Mode string `json:"mode,omitempty"`
}

// String returns the label as the kernel shows it: "cri-containerd.apparmor.d (enforce)".
func (l Label) String() string {
	if l.Mode == "" {
		return l.Name
	}
	return l.Name + " (" + l.Mode + ")"
}

// Unconfined is the name of no profile of AppArmor.
const Unconfined = "unconfined"

// Type returns the type of an SELinux context, which decides what it may do: "container_t".
func (l Label) Type() string {
	parts := strings.SplitN(l.Name, ":", 4)
	if l.Module != SELinux || len(parts) < 3 {
		return ""
	}
	return parts[2]
}

// maxLabel caps a label: the kernel lets it have a page.
const maxLabel = 4 << 10

// Label returns the label of the process's leader, from /proc/PID/attr/apparmor/current or,
// where the kernel does not have that (before Linux 5.8, and with SELinux),
// /proc/PID/attr/current. [ErrAbsent] reports that no security module labels processes. Under
// SELinux, a confined reader may be denied to read it.
func (p *Process) Label() (Label, error) { return p.labelAt("") }

// labelAt returns the label of the thread whose directory is given.
func (p *Process) labelAt(dir string) (Label, error) {
	for _, file := range [...]string{"attr/apparmor/current", "attr/current"} {
		name := dir + file
		text, err := procfd.ReadAll(p.fd, name, make([]byte, maxLabel), maxLabel)
		switch {
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT) && !p.ended(dir):
			continue // Of a module that is not active, or not built in.
		case err != nil:
			return Label{}, procfd.Classify(fmt.Sprintf("read %s of process %d", name, p.pid), err)
		}
		label, ok := parseLabel(text)
		if !ok {
			return Label{}, fmt.Errorf("read %s of process %d: %w", name, p.pid, ErrMalformed)
		}
		return label, nil
	}
	return Label{}, fmt.Errorf("read the label of process %d: %w", p.pid, ErrAbsent)
}

// parseLabel decodes a label. SELinux ends it with a 0 byte and AppArmor with a line break and,
// if the process is confined, with the mode in parentheses before it. The name of a profile may
// itself look as if it had a mode, so the last one counts.
func parseLabel(text []byte) (Label, bool) {
	if context, ok := bytes.CutSuffix(text, []byte{0}); ok {
		label := Label{Module: SELinux, Name: string(context)}
		return label, label.Type() != "" && !bytes.ContainsAny(context, "\x00\n")
	}
	line, ok := bytes.CutSuffix(text, []byte("\n"))
	if !ok || bytes.IndexByte(line, 0) >= 0 {
		return Label{}, false
	}
	if string(line) == Unconfined {
		return Label{Module: AppArmor, Name: Unconfined}, true
	}
	open := bytes.LastIndex(line, []byte(" ("))
	if open <= 0 || !bytes.HasSuffix(line, []byte(")")) {
		return Label{}, false
	}
	mode := string(line[open+len(" (") : len(line)-len(")")])
	return Label{Module: AppArmor, Name: string(line[:open]), Mode: mode}, mode != ""
}
