// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"path"
	"strings"
)

// MountOrigin is whose files a mount that was asked for shows.
type MountOrigin uint8

const (
	// OfKernel are those of a new file system, or of an image. The host has not mounted it.
	OfKernel MountOrigin = iota
	// OfPod are those of a directory that the kubelet has made for the pod.
	OfPod
	// OfRuntime are those that the runtime has made for the container or its pod, such as the pod's
	// host name and /dev/shm, which for who is in the host's IPC namespace is the host's.
	OfRuntime
	// OfHost are any other of the host.
	OfHost
)

// Origin tells where a mount that was asked for is from, by the path of its source: the kubelet
// keeps what it makes for a pod in a directory "pods/UID", wherever its root directory is, and the
// runtime in one that is called like the container or its sandbox. Below is the path in the directory
// of the pod, of a mount that is from there.
func (c *Container) Origin(mount *Mount) (origin MountOrigin, below string) {
	source := CleanPath(mount.Source)
	switch {
	case mount.Source == "":
		return OfKernel, ""
	case source == "":
		return OfHost, ""
	}
	if below, ok := c.inPodDirectory(source); ok {
		return OfPod, below
	}
	if c.inRuntimeDirectory(source) || source == "/dev/shm" && CleanPath(mount.Point) == source {
		return OfRuntime, ""
	}
	return OfHost, ""
}

// inPodDirectory returns a clean path relative to the directory that the kubelet has for the
// container's pod. It reports whether the path is below that.
func (c *Container) inPodDirectory(source string) (string, bool) {
	if c.Pod == nil || c.Pod.UID == "" {
		return "", false
	}
	for before, rest := "", source; rest != ""; {
		part, below, more := strings.Cut(rest, "/")
		if before == "pods" && part == c.Pod.UID && more {
			return below, true
		}
		before, rest = part, below
	}
	return "", false
}

// inRuntimeDirectory reports whether a directory on a path is called like the container or its
// sandbox.
func (c *Container) inRuntimeDirectory(source string) bool {
	for part := range strings.SplitSeq(source, "/") {
		if part != "" && (part == c.ID || part == c.SandboxID) {
			return true
		}
	}
	return false
}

// InPodDirectory returns a clean path relative to the directory that the kubelet has for the
// container's pod. It reports whether the path is below that.
func (c *Container) InPodDirectory(source string) (string, bool) {
	if c.Pod == nil || c.Pod.UID == "" {
		return "", false
	}
	_, below, ok := strings.Cut(source, "/pods/"+c.Pod.UID+"/")
	return below, ok
}

// CleanPath returns the shortest form of a path that is absolute, and "" of any other.
func CleanPath(name string) string {
	if !strings.HasPrefix(name, "/") {
		return ""
	}
	return path.Clean(name)
}

// Within reports whether a path is a directory or below it.
func Within(name, dir string) bool {
	dir = strings.TrimSuffix(dir, "/")
	return strings.HasPrefix(name, dir) && (len(name) == len(dir) || name[len(dir)] == '/')
}
