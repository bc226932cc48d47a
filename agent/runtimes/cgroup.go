// SPDX-License-Identifier: Apache-2.0

package runtimes

import "strings"

// Ref is a container as a cgroup path names it.
type Ref struct {
	// ID is the container's full id.
	ID string
	// Runtime is the name of who makes cgroups of this form: [CRI] is any runtime that the
	// kubelet's cgroupfs driver made it for, and "" stands for a form that any may use.
	Runtime string
	// PodUID is the pod's uid where the path holds it.
	PodUID string
	// Path is the cgroup of the container: the path up to and with the part that names it.
	Path string
}

// Names of runtimes, as a [Ref] has them.
const (
	Containerd = "containerd"
	CRI        = "cri"
	CRIO       = "cri-o"
	Docker     = "docker"
	Nerdctl    = "nerdctl"
	Podman     = "podman"
)

// forms recognise a container's cgroup, each those of one runtime.
var forms = [...]struct {
	runtime string
	id      func(e element) (id string, ok bool)
}{
	{Containerd, containerdID},
	{Docker, dockerID},
	{CRIO, crioID},
	{Podman, podmanID},
	{Nerdctl, nerdctlID},
	{CRI, kubeletID},
	{"", anyID},
}

// Refs returns the containers that a cgroup path names, outermost first. Nested
// containers, as in kind, have one each. Monitors of a container that run beside it
// (conmon) are not in it.
func Refs(path string) []Ref {
	var refs []Ref
	podUID, parent := "", ""
	for start := 1; start < len(path); {
		end := strings.IndexByte(path[start:], '/')
		if end < 0 {
			end = len(path)
		} else {
			end += start
		}
		e := element{name: path[start:end], parent: parent}
		if uid, ok := podUIDOf(e.name); ok {
			podUID = uid
		}
		if id, runtime, ok := e.container(); ok {
			refs = append(refs, Ref{ID: id, Runtime: runtime, PodUID: podUID, Path: path[:end]})
			podUID = ""
		}
		parent = e.name
		start = end + 1
	}
	return refs
}

// element is one element of a path, and the one above it.
type element struct{ name, parent string }

// container asks each runtime.
func (e element) container() (id, runtime string, ok bool) {
	if len(e.name) < idLength {
		return "", "", false
	}
	for _, form := range forms {
		if id, ok := form.id(e); ok {
			return id, form.runtime, true
		}
	}
	return "", "", false
}

// scope recognises the name that the systemd cgroup driver gives to a container's scope, which
// CRI-O and Podman use with cgroupfs too.
func (e element) scope(prefix string) (string, bool) {
	id, ok := strings.CutPrefix(strings.TrimSuffix(e.name, ".scope"), prefix)
	return id, ok && isID(id)
}

// triple recognises SLICE:PREFIX:ID, which is what a runtime on cgroupfs makes of a path that
// was meant for systemd.
func (e element) triple() (before, id string, ok bool) {
	i := strings.LastIndexByte(e.name, ':')
	if i < 0 || !isID(e.name[i+1:]) {
		return "", "", false
	}
	return e.name[:i], e.name[i+1:], true
}

// anyID recognises an id below a parent that any runtime may have, such as one that the user
// chose.
func anyID(e element) (string, bool) {
	if _, id, ok := e.triple(); ok {
		return id, true
	}
	return e.name, isID(e.name) && !isPodmanPod(e)
}

// idLength is the length of the ids that containerd's CRI, Docker, nerdctl, CRI-O and
// Podman give: 32 random bytes in hex.
const idLength = 64

func isID(text string) bool {
	if len(text) != idLength {
		return false
	}
	for i := range len(text) {
		if !isHex(text[i]) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }
