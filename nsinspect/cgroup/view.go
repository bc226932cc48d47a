// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"strings"
)

// view turns paths below the root of a mount of cgroup v2 into what the kernel shows
// to a process in a cgroup namespace (cgroup_namespaces(7)): paths relative to the root of
// that namespace, with "/.." for each level up.
type view struct {
	// base is the root of the mount in that form.
	base string
	// reader is the path from the root of the mount to that of the namespace. It is used
	// where base leads up and nothing else.
	reader string
}

// levelsUp returns how many levels a path leads up if it does nothing else, and 0 otherwise.
func levelsUp(path string) int {
	levels := strings.Count(path, "/..")
	if strings.Repeat("/..", levels) != path {
		return 0
	}
	return levels
}

// check fails unless the reader is as far below the root as that is above the reader.
func (v view) check() error {
	if levelsUp(v.base) != strings.Count(v.reader, "/") {
		return errors.New("the own cgroup is not where the host's mount says")
	}
	return nil
}

// path turns a path, which is "" for the root of the mount or starts with a slash.
func (v view) path(path string) string {
	if levelsUp(v.base) == 0 {
		if path == "" {
			return v.base
		}
		return strings.TrimSuffix(v.base, "/") + path
	}
	up, down := v.reader, path
	for up != "" && down != "" {
		first, restUp := cutElement(up)
		other, restDown := cutElement(down)
		if first != other {
			break
		}
		up, down = restUp, restDown
	}
	relative := strings.Repeat("/..", strings.Count(up, "/")) + down
	if relative == "" {
		return "/"
	}
	return relative
}

// cutElement cuts the first element off a path, with the slash before it.
func cutElement(path string) (element, rest string) {
	end := strings.IndexByte(path[1:], '/')
	if end < 0 {
		return path, ""
	}
	return path[:1+end], path[1+end:]
}
