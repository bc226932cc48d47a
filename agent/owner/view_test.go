// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"strings"
	"testing"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

func TestCutTail(t *testing.T) {
	t.Parallel()
	const tail = "/kubepods/burstable/pod1/id"
	tests := map[string]struct{ path, want string }{
		"the path itself":                  {tail, tail},
		"below a node's cgroup":            {"/docker/node" + tail, "/docker/node" + tail},
		"an init system moved itself":      {tail + "/init.scope", tail},
		"only part of an element":          {tail + "2", ""},
		"the second occurrence is whole":   {tail + "2" + tail, tail + "2" + tail},
		"another pod's reader":             {"/../../pod1/id", "/../../pod1/id"},
		"a reader of the same pod":         {"/../id", "/../id"},
		"a reader of the pod, below":       {"/../id/sub", "/../id"},
		"a reader far away":                {"/../../.." + tail, "/../../.." + tail},
		"not at the beginning of the rest": {"/../../other/id", ""},
		"without /.. the whole is needed":  {"/pod1/id", ""},
		"a name that begins with dots":     {"/..x/pod1/id", ""},
		"the reader's own root":            {"/", ""},
		"one level up":                     {"/..", ""},
	}
	for name, test := range tests {
		got, ok := cutTail(test.path, tail)
		if got != test.want || ok != (test.want != "") {
			t.Errorf("%s: cutTail(%q) = %q, %v; want %q", name, test.path, got, ok, test.want)
		}
	}
}

// TestReaderInAContainer has an agent in a pod of its own cgroup namespace, as on cgroup v2.
func TestReaderInAContainer(t *testing.T) {
	t.Parallel()
	at := func(path string) []cgroup.Entry {
		return []cgroup.Entry{{Hierarchy: cgroup.V2, Path: path}}
	}
	own := inventory.Container{ID: "own", RuntimeNamespace: "k8s.io", CgroupsPath: "/kubepods/podA/own"}
	other := inventory.Container{ID: "other", RuntimeNamespace: "k8s.io", CgroupsPath: "/kubepods/podB/other"}
	containers := []inventory.Container{own, other}
	a := New(nsinspect.HostReference{}, containers)
	a.View(at("/../../../init.scope"))
	if !a.Settle(&own, at("/")) || !a.Settle(&other, at("/../../podB/other")) {
		t.Fatal("an init process was not found in its cgroup")
	}
	a.Finish(containers)
	for path, want := range map[string]string{
		"/":                      "own",
		"/sub":                   "own",
		"/..":                    "",
		"/../../podB":            "",
		"/../../podB/other":      "other",
		"/../../podB/other/sub":  "other",
		"/../../../system.slice": "",
		"/../../../init.scope":   "",
	} {
		if got := a.Attribute(at(path)); got.Key.ID != want {
			t.Errorf("a process in %s belongs to %q, want %q", path, got.Key.ID, want)
		}
	}
}

// TestReaderOnTheHost must not take the root of the tree for a container.
func TestReaderOnTheHost(t *testing.T) {
	t.Parallel()
	at := func(path string) []cgroup.Entry {
		return []cgroup.Entry{{Hierarchy: cgroup.V2, Path: path}}
	}
	container := inventory.Container{ID: strings.Repeat("a", 64), CgroupsPath: "/kubepods/podA/a"}
	a := New(nsinspect.HostReference{}, []inventory.Container{container})
	a.View(at("/"))
	if a.Settle(&container, at("/")) {
		t.Error("the root of the tree was taken for a container's cgroup")
	}
}

// TestContested has a process that has entered another container's cgroup in one hierarchy.
func TestContested(t *testing.T) {
	t.Parallel()
	entries := func(cpu, pids string) []cgroup.Entry {
		return []cgroup.Entry{{Hierarchy: "2", Path: cpu}, {Hierarchy: "1", Path: pids}}
	}
	containers := []inventory.Container{{ID: "a", CgroupsPath: "/x/a"}, {ID: "b", CgroupsPath: "/x/b"}}
	a := New(nsinspect.HostReference{}, containers)
	for i := range containers {
		path := containers[i].CgroupsPath
		if !a.Settle(&containers[i], entries(path, path)) {
			t.Fatalf("%s has no place", containers[i].ID)
		}
	}
	a.Finish(containers)
	if got := a.Attribute(entries("/x/a", "/x/a/sub")); !got.IsListed() || got.Key.ID != "a" {
		t.Errorf("a process of one container: %+v", got)
	}
	if got := a.Attribute(entries("/x/a", "/x/b")); got.Kind != Contested || got.Key.ID != "a" || got.Rival.ID != "b" {
		t.Errorf("a process in the cgroups of two containers: %+v", got)
	}
}
