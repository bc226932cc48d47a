// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// Credentials are what the kernel checks when a thread asks for something (credentials(7)), and
// what restricts it beside them. The ids are those of the reader's user namespace; one that
// has no mapping there is the overflow id, 65534 by default (user_namespaces(7)).
//
// The capabilities count in the thread's own user namespace only. Known has the fields that the
// kernel shows: one that it does not show is 0 here, and unknown.
type Credentials struct {
	UIDs IDs `json:"uids"`
	GIDs IDs `json:"gids"`
	// Groups are the supplementary groups, in ascending order.
	Groups []uint32 `json:"groups,omitempty"`

	Inheritable Capabilities `json:"inheritable"`
	Permitted   Capabilities `json:"permitted"`
	Effective   Capabilities `json:"effective"`
	// Bounding limits what the thread can gain by executing a program.
	Bounding Capabilities `json:"bounding"`
	// Ambient is known since Linux 4.3.
	Ambient Capabilities `json:"ambient"`

	// NoNewPrivileges says that executing a program can't give it more than it has. It is
	// inherited and never cleared; known since Linux 4.10.
	NoNewPrivileges bool `json:"noNewPrivileges"`
	// Seccomp is known since Linux 3.8, where the kernel has it.
	Seccomp SeccompMode `json:"seccomp"`
	// Filters is the number of seccomp filters; known since Linux 5.9.
	Filters int `json:"filters"`

	Known Fields `json:"known"`
}

// OverflowID stands for an id that is not mapped in the reader's user namespace, unless the
// machine's administrator has chosen another one (/proc/sys/kernel/overflowuid).
const OverflowID = 65534

// Holds returns the capabilities that the thread has or may get: those in any of its sets. To
// leave one out of the bounding set does not take it away from a thread that holds it.
func (c *Credentials) Holds() Capabilities {
	return c.Inheritable | c.Permitted | c.Effective | c.Bounding | c.Ambient
}

// IDs are the four user or group ids of a thread.
type IDs struct {
	Real       uint32 `json:"real"`
	Effective  uint32 `json:"effective"`
	Saved      uint32 `json:"saved"`
	Filesystem uint32 `json:"filesystem"`
}

// Has reports whether any of the four is this id. A saved id is a way back to it.
func (i IDs) Has(id uint32) bool {
	return i.Real == id || i.Effective == id || i.Saved == id || i.Filesystem == id
}

// SeccompMode is how the system calls of a thread are filtered (seccomp(2)).
type SeccompMode uint8

// The modes, by the kernel's numbers.
const (
	SeccompDisabled SeccompMode = 0
	SeccompStrict   SeccompMode = 1
	SeccompFilter   SeccompMode = 2
)

// Fields is a set of fields of Credentials that are not in every kernel.
type Fields uint8

// The fields.
const (
	FieldAmbient Fields = 1 << iota
	FieldNoNewPrivileges
	FieldSeccomp
	FieldFilters
)

// Has reports whether all of some fields are in the set.
func (f Fields) Has(fields Fields) bool { return f&fields == fields }

// ErrMalformed reports that the kernel's answer is not of the form that it should be.
var ErrMalformed = errors.New("not of the known form")

const (
	// statusSize holds the status of a process with some dozen supplementary groups.
	statusSize = 4 << 10
	// maxStatus caps it. With 65,536 groups, which any process with CAP_SETGID may set, it has
	// 722 KB, which take the kernel 20 ms.
	maxStatus = 64 << 10
)

// Credentials returns the credentials of the process's leader, from /proc/PID/status, which
// anyone may read. A zombie still shows its last ones: [Process.Ended] tells.
//
// The kernel does not read all of them in one moment: of a process that changes its ids, some
// can be those from before and some from after. What matters is to be read twice. The error
// is [ErrTooLarge] for a process with some thousand supplementary groups, and [ErrMalformed]
// for a text of another form.
func (p *Process) Credentials() (Credentials, error) { return p.credentialsAt("") }

// ThreadCredentials returns those of one thread, from /proc/PID/task/TID/status.
func (p *Process) ThreadCredentials(tid int) (Credentials, error) {
	return p.credentialsAt(threadDir(tid))
}

func (p *Process) credentialsAt(dir string) (Credentials, error) {
	buffer := p.buffers.Borrow()
	defer p.buffers.Return(buffer)
	var status procStatus
	_, err := p.readStatus(dir, buffer, &status)
	return status.Credentials, err
}

// readStatus reads the status below dir, and returns how many bytes it has.
func (p *Process) readStatus(dir string, buffer *procfd.Buffer, status *procStatus) (int, error) {
	text, err := procfd.ReadAll(p.fd, dir+"status", buffer[:], maxStatus)
	if err == nil && len(text) == 0 {
		err = unix.ESRCH // It ended between open and read.
	}
	if err == nil {
		err = parseStatus(text, status)
	}
	if err != nil {
		status.Credentials = Credentials{}
		return len(text), procfd.Classify(fmt.Sprintf("read %sstatus of process %d", dir, p.pid), err)
	}
	return len(text), nil
}
