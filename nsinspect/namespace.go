// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Kind is a kind of namespace. Its order is the order of Kinds.
type Kind uint8

// The kinds of namespaces(7).
const (
	Net Kind = iota
	PID
	IPC
	User
	Mnt
	UTS
	Cgroup
	Time

	numKinds = iota
)

// kindFiles holds the file names below /proc/PID/ns, which are the kinds' names too.
var kindFiles = [numKinds]string{"net", "pid", "ipc", "user", "mnt", "uts", "cgroup", "time"}

// Kinds returns every kind.
func Kinds() []Kind {
	return []Kind{Net, PID, IPC, User, Mnt, UTS, Cgroup, Time}
}

// ParseKind returns the kind that namespaces(7) gives this name.
func ParseKind(name string) (Kind, error) {
	for i, file := range kindFiles {
		if file == name {
			return Kind(i), nil
		}
	}
	return 0, fmt.Errorf("no namespace kind %q", name)
}

// String returns the kind's name, as in /proc/PID/ns.
func (k Kind) String() string {
	if int(k) >= numKinds {
		return "kind(" + strconv.Itoa(int(k)) + ")"
	}
	return kindFiles[k]
}

// MarshalText writes the kind's name, so that it can be a key in JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the kind's name.
func (k *Kind) UnmarshalText(text []byte) error {
	kind, err := ParseKind(string(text))
	*k = kind
	return err
}

// PerThread reports whether two threads of one process can be in different namespaces
// of this kind. User and pid namespaces belong to the whole process: unshare(2) and
// setns(2) refuse the former to multithreaded processes, and the latter concerns
// children only.
func (k Kind) PerThread() bool { return k != PID && k != User }

// ID is the identity of a namespace: device and inode of its nsfs file. The inode
// alone is not unique by contract, and no inode is a constant across kernels
// (namespaces(7), "The /proc/pid/ns/ directory").
type ID struct {
	Dev uint64 `json:"dev"`
	Ino uint64 `json:"ino"`
}

// IsZero reports whether the ID is unset: no namespace has inode 0.
func (id ID) IsZero() bool { return id.Ino == 0 }

// String returns the ID as "[dev:ino]".
func (id ID) String() string { return fmt.Sprintf("[%d:%d]", id.Dev, id.Ino) }

// Namespaces holds one ID a kind. The zero value holds none; a kind that could not be
// read, or that the kernel lacks, is absent.
type Namespaces struct{ ids [numKinds]ID }

// Get returns the ID of a kind, and whether there is one.
func (n *Namespaces) Get(k Kind) (ID, bool) {
	if int(k) >= numKinds {
		return ID{}, false
	}
	id := n.ids[k]
	return id, !id.IsZero()
}

// Set stores the ID of a kind; the zero ID takes it out.
func (n *Namespaces) Set(k Kind, id ID) { n.ids[k] = id }

// Equal reports whether both hold the same IDs of the same kinds. Libraries that compare deeply
// look for it, since they can't look inside.
func (n Namespaces) Equal(other Namespaces) bool { return n == other }

// IsZero reports whether no kind is present.
func (n Namespaces) IsZero() bool { return n == Namespaces{} }

// MarshalJSON writes an object of the kinds that are present, by name.
func (n Namespaces) MarshalJSON() ([]byte, error) {
	present := make(map[string]ID, numKinds)
	for k, id := range n.ids {
		if !id.IsZero() {
			present[kindFiles[k]] = id
		}
	}
	return json.Marshal(present)
}

// UnmarshalJSON reads what MarshalJSON wrote; an unknown kind is an error.
func (n *Namespaces) UnmarshalJSON(data []byte) error {
	var present map[string]ID
	if err := json.Unmarshal(data, &present); err != nil {
		return fmt.Errorf("decode namespaces: %w", err)
	}
	var decoded Namespaces
	for name, id := range present {
		kind, err := ParseKind(name)
		if err != nil {
			return fmt.Errorf("decode namespaces: %w", err)
		}
		decoded.Set(kind, id)
	}
	*n = decoded
	return nil
}
