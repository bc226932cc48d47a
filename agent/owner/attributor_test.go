// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

const (
	nodeID = "00000000000000000000000000000000000000000000000000000000000000aa"
	idA    = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	idB    = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	idC    = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
	podUID = "1b4a6a2e-0c41-4f1e-9f4e-2f6f3f1d9a10"
)

// listed is a container of the inventory. init is the cgroup file of its init process, or
// "" if that is not known.
type listed struct {
	id, namespace, cgroupsPath, init string
}

// attributorOf takes the containers the way that a scan does.
func attributorOf(t *testing.T, host []string, list ...listed) *Attributor {
	t.Helper()
	containers := make([]inventory.Container, len(list))
	for i, c := range list {
		containers[i] = inventory.Container{ID: c.id, RuntimeNamespace: c.namespace, CgroupsPath: c.cgroupsPath}
	}
	a := New(nsinspect.HostReference{Containers: host}, containers)
	for i, c := range list {
		if c.init != "" && !a.Settle(&containers[i], entries(t, c.init)) {
			t.Fatalf("%s is not in its cgroup", c.init)
		}
	}
	a.Finish(containers)
	return a
}

// entries parses a cgroup file; a bare path is v2's.
func entries(t *testing.T, text string) []cgroup.Entry {
	t.Helper()
	if strings.HasPrefix(text, "/") {
		text = "0::" + text
	}
	parsed, err := cgroup.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func known(id string) Attribution {
	return Attribution{Kind: Listed, Key: inventory.Key{RuntimeNamespace: "k8s.io", ID: id}}
}

func TestAttribute(t *testing.T) {
	a := listed{idA, "k8s.io", "/kubepods/podX/" + idA, "/kubepods/podX/" + idA}
	b := listed{idB, "k8s.io", "/kubepods/podX/" + idB, "/kubepods/podX/" + idB}
	unplaced := func(c listed) listed { c.init = ""; return c }
	const placeA, placeB = "/kubepods/podX/" + idA, "/kubepods/podX/" + idB

	tests := map[string]struct {
		host       []string
		containers []listed
		cgroups    string
		want       Attribution // Its ref is checked by id only.
	}{
		// By the place where the init process is.
		"in the place":                 {containers: []listed{a, b}, cgroups: placeB, want: known(idB)},
		"below the place":              {containers: []listed{a, b}, cgroups: placeA + "/init.scope/x", want: known(idA)},
		"a sibling with a longer name": {containers: []listed{a}, cgroups: placeA + "x"},
		"a removed cgroup":             {containers: []listed{a}, cgroups: placeA + " (deleted)", want: known(idA)},
		"the init process went down": {
			containers: []listed{{idA, "k8s.io", "/kubepods/podX/" + idA, placeA + "/init.scope"}},
			cgroups:    placeA + "/system.slice/x.service", want: known(idA),
		},
		"the host": {containers: []listed{a, b}, cgroups: "/system.slice/ssh.service"},
		"the root": {containers: []listed{a, b}, cgroups: "/"},

		// Names that lie.
		"another's name inside A stays A's":          {containers: []listed{a, b}, cgroups: placeA + placeB, want: known(idA)},
		"a scope of another's name inside A":         {containers: []listed{a, b}, cgroups: placeA + "/cri-containerd-" + idB + ".scope", want: known(idA)},
		"a name inside A of one without a place":     {containers: []listed{a, unplaced(b)}, cgroups: placeA + placeB, want: known(idA)},
		"an unknown name inside A":                   {containers: []listed{a}, cgroups: placeA + "/docker/" + idC, want: known(idA)},
		"another's name outside is forged":           {containers: []listed{a, b}, cgroups: "/evil/" + idB, want: Attribution{Kind: Forged, Key: known(idB).Key, Ref: runtimes.Ref{ID: idB}}},
		"another's name in an unknown one is theirs": {containers: []listed{a, b}, cgroups: "/docker/" + idC + placeB, want: Attribution{Kind: Unlisted, Ref: runtimes.Ref{ID: idC}}},
		"the name of one without a place in an unknown one is theirs": {
			containers: []listed{unplaced(b), {"web", "k8s.io", "/default/web", ""}},
			cgroups:    "/docker/" + idC + placeB + "/default/web", want: Attribution{Kind: Unlisted, Ref: runtimes.Ref{ID: idC}},
		},
		"the place in another hierarchy is no place": {
			containers: []listed{{idA, "k8s.io", "/default/a", "4:pids:/default/a"}},
			cgroups:    "5:cpu:/default/a",
		},

		// Containers in containers.
		"the inner of two places": {
			containers: []listed{a, {idB, "k8s.io", "/docker/" + idB, placeA + "/docker/" + idB}},
			cgroups:    placeA + "/docker/" + idB + "/x", want: known(idB),
		},
		"beside the inner of two places": {
			containers: []listed{a, {idB, "k8s.io", "/docker/" + idB, placeA + "/docker/" + idB}},
			cgroups:    placeA + "/docker", want: known(idA),
		},

		// By the runtime spec, for want of a place.
		"cgroupfs": {containers: []listed{unplaced(a)}, cgroups: placeA, want: known(idA)},
		"cgroupfs, below": {
			containers: []listed{unplaced(a)},
			cgroups:    placeA + "/x", want: known(idA),
		},
		"cgroupfs, seen from elsewhere": {
			containers: []listed{unplaced(a)},
			cgroups:    "/../.." + placeA, want: known(idA),
		},
		"systemd": {
			containers: []listed{{idA, "k8s.io", "kubepods-podX.slice:cri-containerd:" + idA, ""}},
			cgroups:    "/kubepods.slice/kubepods-podX.slice/cri-containerd-" + idA + ".scope/x", want: known(idA),
		},
		"systemd, a name of no usual form": {
			containers: []listed{{"web", "k8s.io", "system.slice:nerdctl:web", ""}},
			cgroups:    "/system.slice/nerdctl-web.scope", want: known("web"),
		},
		"systemd, without a prefix": {
			containers: []listed{{"web", "k8s.io", "system.slice::web", ""}},
			cgroups:    "/system.slice/web.scope", want: known("web"),
		},
		"systemd, a slice": {
			containers: []listed{{"web", "k8s.io", "user.slice:x:web.slice", ""}},
			cgroups:    "/user.slice/web.slice", want: known("web"),
		},
		"ctr": {
			containers: []listed{{"web", "k8s.io", "/default/web", ""}},
			cgroups:    "/default/web", want: known("web"),
		},
		"ctr, another's name is no part of it": {
			containers: []listed{{"web", "k8s.io", "/default/web", ""}},
			cgroups:    "/default/web2",
		},
		"ctr, another directory": {
			containers: []listed{{"web", "k8s.io", "/default/web", ""}},
			cgroups:    "/xdefault/web",
		},
		"an id alone is no path": {
			containers: []listed{{"system.slice", "k8s.io", "", ""}},
			cgroups:    "/system.slice/ssh.service", want: Attribution{},
		},
		"the cgroupfs driver with a path for systemd": {
			containers: []listed{{"web", "k8s.io", "kubepods-podA.slice:cri-containerd:web", ""}},
			cgroups:    "/system.slice/containerd.service/kubepods-podA.slice:cri-containerd:web", want: known("web"),
		},
		"the outermost of two specs": {
			containers: []listed{{"inner", "k8s.io", "/inner", ""}, {"outer", "k8s.io", "/outer", ""}},
			cgroups:    "/outer/inner", want: known("outer"),
		},
		"a place goes before a spec": {
			containers: []listed{{"web", "k8s.io", "/x/" + idA, ""}, a},
			cgroups:    placeA, want: known(idA),
		},

		// By the name alone.
		"an unknown container": {containers: []listed{a}, cgroups: "/docker/" + idC, want: Attribution{Kind: Unlisted, Ref: runtimes.Ref{ID: idC}}},
		"listed, but elsewhere than its spec says": {
			containers: []listed{unplaced(a)},
			cgroups:    "/docker/" + idA,
			want:       Attribution{Kind: Listed, Key: known(idA).Key, Ref: runtimes.Ref{ID: idA}},
		},
		"the outermost counts": {cgroups: "/docker/" + idC + "/docker/" + idB, want: Attribution{Kind: Unlisted, Ref: runtimes.Ref{ID: idC}}},

		// In kind the node itself is a container.
		"a process of the node":   {host: []string{nodeID}, containers: []listed{a}, cgroups: "/docker/" + nodeID + "/system.slice/kubelet.service"},
		"a pod's on the node":     {host: []string{nodeID}, containers: []listed{a}, cgroups: "/docker/" + nodeID + "/docker/" + idC, want: Attribution{Kind: Unlisted, Ref: runtimes.Ref{ID: idC}}},
		"a node in a node":        {host: []string{nodeID, idB}, cgroups: "/docker/" + nodeID + "/docker/" + idB + "/x"},
		"the node inside another": {host: []string{nodeID}, cgroups: "/docker/" + idC + "/docker/" + nodeID, want: Attribution{Kind: Unlisted, Ref: runtimes.Ref{ID: idC}}},
		"a listed one on the node": {
			host:       []string{nodeID},
			containers: []listed{{idA, "k8s.io", "/kubelet" + placeA, "/docker/" + nodeID + "/kubelet" + placeA}},
			cgroups:    "/docker/" + nodeID + "/kubelet" + placeA + "/x", want: known(idA),
		},

		// v1 and hybrid: any hierarchy can be the one that tells.
		"v1": {
			containers: []listed{{idA, "k8s.io", placeA, "3:name=systemd:/\n2:pids:" + placeA + "\n1:cpu:" + placeA}},
			cgroups:    "3:name=systemd:/\n2:pids:" + placeA + "\n1:cpu:" + placeA, want: known(idA),
		},
		"hybrid, v2 says nothing": {
			containers: []listed{{idA, "k8s.io", placeA, "2:pids:" + placeA + "\n0::/system.slice/containerd.service"}},
			cgroups:    "2:pids:" + placeA + "/x\n0::/system.slice/containerd.service", want: known(idA),
		},
		"v1, out of one hierarchy": {
			containers: []listed{{idA, "k8s.io", placeA, "2:pids:" + placeA + "\n1:cpu:" + placeA}},
			cgroups:    "2:pids:/\n1:cpu:" + placeA, want: known(idA),
		},
		"v1, unknown": {
			cgroups: "2:pids:/docker/" + idC + "\n1:cpu:/",
			want:    Attribution{Kind: Unlisted, Ref: runtimes.Ref{ID: idC}},
		},
		"v1, a place goes before a name in another hierarchy": {
			containers: []listed{{idA, "k8s.io", placeA, "2:pids:" + placeA + "\n1:cpu:" + placeA}, b},
			cgroups:    "2:pids:/docker/" + idC + "\n1:cpu:" + placeA, want: known(idA),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := attributorOf(t, test.host, test.containers...).Attribute(entries(t, test.cgroups))
			got.Ref = runtimes.Ref{ID: got.Ref.ID}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// An init process elsewhere means that the pid is another's by now, or a lie.
func TestSettleRefusesAnotherCgroup(t *testing.T) {
	container := inventory.Container{ID: idA, RuntimeNamespace: "k8s.io", CgroupsPath: "/kubepods/podX/" + idA}
	for _, cgroups := range []string{"/", "/system.slice/ssh.service", "/kubepods/podX/" + idB, "/kubepods/podY/" + idA, "/kubepods/podX/" + idA + "0"} {
		a := New(nsinspect.HostReference{}, []inventory.Container{container})
		if a.Settle(&container, entries(t, cgroups)) {
			t.Errorf("a process in %s was taken for the container's", cgroups)
		}
		a.Finish([]inventory.Container{container})
		if got := a.Attribute(entries(t, cgroups+"/below")); got.Kind == Forged {
			t.Errorf("a container without a place can't be forged: %+v", got)
		}
	}
}

// FuzzAttribute: whatever a container names the cgroups below its own, their processes
// stay its own.
func FuzzAttribute(f *testing.F) {
	f.Add("/"+idB, "slice:x:"+idC, "/default/web")
	f.Add("/docker/"+idB+"/x", "/kubepods/podX/"+idB, "")
	f.Add("/kubepods/podX/"+idB, "a:b:c", "a::b.slice")
	f.Add("/x (deleted)", "///", ":::")
	f.Fuzz(func(t *testing.T, below, specB, specC string) {
		const placeA = "/kubepods/podX/" + idA
		if !strings.HasPrefix(below, "/") || strings.Contains(below, "\n") {
			return // No path of a cgroup.
		}
		for name, place := range map[string]string{"elsewhere": "/elsewhere/" + idB, "beside A": "/kubepods/podX/" + idB, "in A": placeA + "/in/" + idB} {
			b := listed{idB, "moby", place, place}
			a := attributorOf(t, nil, listed{idA, "k8s.io", placeA, placeA}, b, listed{"c", "k8s.io", specB, ""}, listed{"d", "default", specC, ""})
			got := a.Attribute(entries(t, placeA+below))
			inB := placeA+below == place || strings.HasPrefix(placeA+below, place+"/")
			want := known(idA).Key
			if inB || strings.TrimSuffix(placeA+below, " (deleted)") == place {
				want = inventory.Key{RuntimeNamespace: "moby", ID: idB}
			}
			if !got.IsListed() || got.Key != want {
				t.Errorf("B %s: %q is %+v, want %v", name, placeA+below, got, want)
			}
			a.Attribute(entries(t, below)) // Must not panic.
		}
	})
}
