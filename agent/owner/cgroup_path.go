// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// specPaths returns the ends that the path of a container's cgroup may have:
// linux.cgroupsPath as it stands, and before it the scope that the systemd driver makes of
// SLICE:PREFIX:NAME. A runtime with the cgroupfs driver takes that literally. Without one,
// runc uses the container's id.
func specPaths(container *inventory.Container) []string {
	path := strings.Trim(container.CgroupsPath, "/")
	if path == "" {
		path = container.ID
	}
	paths := []string{"/" + path}
	if parts := strings.Split(path, ":"); len(parts) == 3 {
		name := parts[2]
		if !strings.HasSuffix(name, ".slice") {
			name += ".scope"
			if parts[1] != "" {
				name = parts[1] + "-" + name
			}
		}
		paths = append([]string{"/" + name}, paths...)
	}
	return paths
}

// cutTails cuts a path by the first of the tails that is in it.
func cutTails(path string, tails []string) (string, bool) {
	for _, tail := range tails {
		if cut, ok := cutTail(path, tail); ok {
			return cut, true
		}
	}
	return "", false
}

// cutTail cuts a path behind the part that is a container's own cgroup, whose full path
// ends in tail. An init system inside may have moved itself further down. In a path that is
// relative to the reader's cgroup the beginning of the tail may be missing: what both have
// in common.
func cutTail(path, tail string) (string, bool) {
	for from := 0; ; {
		i := strings.Index(path[from:], tail)
		if i < 0 {
			break
		}
		end := from + i + len(tail)
		if end == len(path) || path[end] == '/' {
			return path[:end], true
		}
		from += i + 1
	}
	if !outside(path) {
		return "", false
	}
	up := 0
	for outside(path[up:]) {
		up += len("/..")
	}
	// Each end of the tail, the longest first.
	for rest := tail; rest != ""; {
		if below, ok := strings.CutPrefix(path[up:], rest); ok && (below == "" || below[0] == '/') {
			return path[:len(path)-len(below)], true
		}
		next := strings.IndexByte(rest[1:], '/')
		if next < 0 {
			break
		}
		rest = rest[1+next:]
	}
	return "", false
}
