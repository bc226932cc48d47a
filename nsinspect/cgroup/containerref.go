package cgroup

import (
	"github.com/nsaudit/nsaudit/nsinspect"
	"strings"
)

// ContainerRef is a container as a cgroup path names it. The name is a claim: whoever may
// make cgroups can make one that looks like another container's.
type ContainerRef struct {
	// ID is the container's full id.
	ID string
	// Runtime is who makes cgroups of this form: "containerd" (through CRI), "docker",
	// "cri-o", "podman", "nerdctl", "cri" (the kubelet's cgroupfs form, whichever the
	// runtime) or "" where the form tells nothing.
	Runtime string
	// PodUID is the pod's uid where the path holds it.
	PodUID string
	// Path is the cgroup of the container: the path up to and with the part that names it.
	Path string
}

// idLength is the length of the ids that containerd's CRI, Docker, nerdctl, CRI-O and
// Podman give: 32 random bytes in hex.
const idLength = 64

// scopeForms are the names that the systemd cgroup driver gives to container scopes, and
// that CRI-O and Podman use with cgroupfs too.
var scopeForms = [...]struct{ prefix, runtime string }{
	{"cri-containerd-", "containerd"},
	{"docker-", "docker"},
	{"crio-", "cri-o"},
	{"libpod-", "podman"},
	{"libpod-payload-", "podman"}, // In the cgroup of a systemd unit, as Quadlet does it.
	{"nerdctl-", "nerdctl"},
}

// podmanParent is the cgroup of Podman on cgroupfs. A bare id below it is a pod's, in which
// stand the containers and, beside them, their monitors.
const podmanParent = "libpod_parent"

// ContainerRefs returns the containers that a cgroup path names, outermost first. Nested
// containers, as in kind, have one each. Monitors of a container that run beside it
// (conmon) are not in it.
func ContainerRefs(path string) []ContainerRef {
	var refs []ContainerRef
	podUID, parent := "", ""
	for start := 1; start < len(path); {
		end := strings.IndexByte(path[start:], '/')
		if end < 0 {
			end = len(path)
		} else {
			end += start
		}
		element := path[start:end]
		if uid, ok := podUIDOf(element); ok {
			podUID = uid
		}
		if id, runtime, ok := containerOf(element, parent); ok {
			refs = append(refs, ContainerRef{ID: id, Runtime: runtime, PodUID: podUID, Path: path[:end]})
			podUID = ""
		}
		parent = element
		start = end + 1
	}
	return refs
}

// containerOf recognises one element of a path, given the one above it.
func containerOf(element, parent string) (id, runtime string, ok bool) {
	scope := strings.TrimSuffix(element, ".scope")
	for _, form := range scopeForms {
		if rest, found := strings.CutPrefix(scope, form.prefix); found && isID(rest) {
			return rest, form.runtime, true
		}
	}
	// SLICE:PREFIX:ID is what a runtime on cgroupfs makes of a path meant for systemd.
	if i := strings.LastIndexByte(element, ':'); i >= 0 && isID(element[i+1:]) {
		if strings.HasSuffix(element[:i], ":cri-containerd") {
			return element[i+1:], "containerd", true
		}
		return element[i+1:], "", true
	}
	if !isID(element) {
		return "", "", false
	}
	if _, inPod := podUIDOf(parent); inPod {
		return element, "cri", true
	}
	switch parent {
	case "docker":
		return element, "docker", true
	case podmanParent:
		return "", "", false
	}
	return element, "", true
}

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

// podUIDOf recognises the kubelet's pod cgroups: podUID (cgroupfs), and
// kubepods-QOS-podUID.slice (systemd), in which the uid's dashes are underscores. A static
// pod's uid is a hash without dashes. The form with colons holds the slice as well.
func podUIDOf(element string) (string, bool) {
	if slice, _, ok := strings.Cut(element, ".slice"); ok {
		i := strings.LastIndex(slice, "-pod")
		if i < 0 || !strings.Contains(slice[:i], "kubepods") {
			return "", false
		}
		return asUID(strings.ReplaceAll(slice[i+len("-pod"):], "_", "-"))
	}
	uid, ok := strings.CutPrefix(element, "pod")
	if !ok {
		return "", false
	}
	return asUID(uid)
}

// asUID accepts the two forms of a pod's uid: 8-4-4-4-12 and, for static pods, 32 hex
// digits.
func asUID(text string) (string, bool) {
	if len(text) != 36 && len(text) != 32 {
		return "", false
	}
	for i := range len(text) {
		if !isHex(text[i]) && (text[i] != '-' || len(text) == 32) {
			return "", false
		}
	}
	return text, true
}

// HostContainers returns the containers that the host itself is in, for [nsinspect.FS.Host].
func HostContainers(host *nsinspect.Process) ([]string, error) {
	entries, err := Read(host)
	if err != nil {
		return nil, err
	}
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
	return ids, nil
}
