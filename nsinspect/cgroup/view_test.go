// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"strings"
	"testing"
)

// The first column is what mountinfo shows of the host's mount to the reader, the second where
// the reader's root lies below it.
func TestCgroupView(t *testing.T) {
	tests := []struct{ base, reader, path, want string }{
		// The reader sees all.
		{"/", "", "", "/"},
		{"/", "", "/system.slice", "/system.slice"},
		{"/", "", "/a/b", "/a/b"},
		// The host's mount lies below the reader's root: a kind node, looked at from the machine.
		{"/docker/node", "", "", "/docker/node"},
		{"/docker/node", "", "/kubelet/pod", "/docker/node/kubelet/pod"},
		// Neither is above the other.
		{"/../node", "", "", "/../node"},
		{"/../node", "", "/kubelet/pod", "/../node/kubelet/pod"},
		{"/../../x/node", "", "/pod", "/../../x/node/pod"},
		// The reader is inside: a pod.
		{"/..", "/pod", "", "/.."},
		{"/..", "/pod", "/pod", "/"},
		{"/..", "/pod", "/pod/child", "/child"},
		{"/..", "/pod", "/pod2", "/../pod2"},
		{"/../../..", "/kubepods/besteffort/pod1", "", "/../../.."},
		{"/../../..", "/kubepods/besteffort/pod1", "/kubepods", "/../.."},
		{"/../../..", "/kubepods/besteffort/pod1", "/kubepods/besteffort", "/.."},
		{"/../../..", "/kubepods/besteffort/pod1", "/kubepods/besteffort/pod1", "/"},
		{"/../../..", "/kubepods/besteffort/pod1", "/kubepods/besteffort/pod1/c", "/c"},
		{"/../../..", "/kubepods/besteffort/pod1", "/kubepods/besteffort/pod1c", "/../pod1c"},
		{"/../../..", "/kubepods/besteffort/pod1", "/kubepods/besteffort/pod2/c", "/../pod2/c"},
		{"/../../..", "/kubepods/besteffort/pod1", "/kubepods/burstable/pod3", "/../../burstable/pod3"},
		{"/../../..", "/kubepods/besteffort/pod1", "/system.slice/ssh.service", "/../../../system.slice/ssh.service"},
	}
	for _, test := range tests {
		view := view{base: test.base, reader: test.reader}
		if got := view.path(test.path); got != test.want {
			t.Errorf("%+v shows %q as %q, want %q", view, test.path, got, test.want)
		}
	}
}

func TestLevelsUp(t *testing.T) {
	for path, want := range map[string]int{"/": 0, "": 0, "/..": 1, "/../..": 2, "/../a": 0, "/a/..": 0, "/...": 0, "/..a": 0, "/a": 0} {
		if got := levelsUp(path); got != want {
			t.Errorf("levelsUp(%q) = %d, want %d", path, got, want)
		}
	}
}

func TestCgroupViewCheck(t *testing.T) {
	for reader, agrees := range map[string]bool{"/a/b": true, "/a": false, "": false, "/a/b/c": false} {
		if err := (view{base: "/../..", reader: reader}).check(); (err == nil) != agrees {
			t.Errorf("check of %q, two levels below the root: %v", reader, err)
		}
	}
}

// A reader that goes where a path leads, from the reader's root, comes out at the cgroup.
func FuzzCgroupView(f *testing.F) {
	f.Add("/kubepods/besteffort/pod1", "/kubepods/burstable/pod2")
	f.Add("/a", "")
	f.Add("/a/b", "/a/b")
	f.Add("/a/b", "/a/bc")
	f.Fuzz(func(t *testing.T, reader, path string) {
		if !isBelowRoot(reader) || reader == "" || !isBelowRoot(path) {
			return
		}
		view := view{base: strings.Repeat("/..", strings.Count(reader, "/")), reader: reader}
		shown := view.path(path)
		at := reader
		for element := range strings.SplitSeq(strings.TrimPrefix(shown, "/"), "/") {
			switch element {
			case "..":
				at = at[:strings.LastIndexByte(at, '/')]
			case "":
			default:
				at += "/" + element
			}
		}
		if at != path {
			t.Errorf("from %q, %q is shown as %q, which leads to %q", reader, path, shown, at)
		}
	})
}

// isBelowRoot reports whether a path is one that the walk can give.
func isBelowRoot(path string) bool {
	for element := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if element == "" || element == "." || element == ".." {
			return path == ""
		}
	}
	return strings.HasPrefix(path, "/")
}
