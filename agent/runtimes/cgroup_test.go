// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	idA      = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	idB      = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
	podUID   = "1b4a6a2e-0c41-4f1e-9f4e-2f6f3f1d9a10"
	podSlice = "1b4a6a2e_0c41_4f1e_9f4e_2f6f3f1d9a10" // As systemd's slices are named.
	// A static pod's uid is a hash.
	staticUID = "d41d8cd98f00b204e9800998ecf8427e"
)

func TestRefs(t *testing.T) {
	tests := map[string]struct {
		path string
		// want are the containers; of each, the path is want's up to its end.
		want []Ref
	}{
		// The kubelet with a CRI runtime.
		"containerd, systemd, burstable": {
			path: "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + podSlice + ".slice/cri-containerd-" + idA + ".scope",
			want: []Ref{{ID: idA, Runtime: "containerd", PodUID: podUID}},
		},
		"containerd, systemd, guaranteed": {
			path: "/kubepods.slice/kubepods-pod" + podSlice + ".slice/cri-containerd-" + idA + ".scope",
			want: []Ref{{ID: idA, Runtime: "containerd", PodUID: podUID}},
		},
		"containerd, systemd, static pod": {
			path: "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + staticUID + ".slice/cri-containerd-" + idA + ".scope",
			want: []Ref{{ID: idA, Runtime: "containerd", PodUID: staticUID}},
		},
		"containerd, cgroupfs, burstable": {
			path: "/kubepods/burstable/pod" + podUID + "/" + idA,
			want: []Ref{{ID: idA, Runtime: "cri", PodUID: podUID}},
		},
		"containerd, cgroupfs, guaranteed": {
			path: "/kubepods/pod" + podUID + "/" + idA,
			want: []Ref{{ID: idA, Runtime: "cri", PodUID: podUID}},
		},
		"containerd, cgroupfs, static pod": {
			path: "/kubepods/besteffort/pod" + staticUID + "/" + idA,
			want: []Ref{{ID: idA, Runtime: "cri", PodUID: staticUID}},
		},
		"containerd on cgroupfs, kubelet on systemd": {
			path: "/system.slice/containerd.service/kubepods-besteffort-pod" + podSlice + ".slice:cri-containerd:" + idA,
			want: []Ref{{ID: idA, Runtime: "containerd", PodUID: podUID}},
		},
		"cri-o, systemd": {
			path: "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + podSlice + ".slice/crio-" + idA + ".scope",
			want: []Ref{{ID: idA, Runtime: "cri-o", PodUID: podUID}},
		},
		"cri-o, systemd, below the scope": {
			path: "/kubepods.slice/kubepods-pod" + podSlice + ".slice/crio-" + idA + ".scope/container",
			want: []Ref{{ID: idA, Runtime: "cri-o", PodUID: podUID}},
		},
		"cri-o, cgroupfs": {
			path: "/kubepods/burstable/pod" + podUID + "/crio-" + idA,
			want: []Ref{{ID: idA, Runtime: "cri-o", PodUID: podUID}},
		},
		"cri-o's monitor, systemd":  {path: "/kubepods.slice/kubepods-pod" + podSlice + ".slice/crio-conmon-" + idA + ".scope"},
		"cri-o's monitor, cgroupfs": {path: "/kubepods/burstable/pod" + podUID + "/crio-conmon-" + idA},
		"cri-dockerd, systemd": {
			path: "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + podSlice + ".slice/docker-" + idA + ".scope",
			want: []Ref{{ID: idA, Runtime: "docker", PodUID: podUID}},
		},

		// Docker.
		"docker, systemd":                  {path: "/system.slice/docker-" + idA + ".scope", want: []Ref{{ID: idA, Runtime: "docker"}}},
		"docker, systemd, init system":     {path: "/system.slice/docker-" + idA + ".scope/init.scope", want: []Ref{{ID: idA, Runtime: "docker"}}},
		"docker, nested system.slice":      {path: "/system.slice/docker-" + idA + ".scope/system.slice/ssh.service", want: []Ref{{ID: idA, Runtime: "docker"}}},
		"docker, cgroupfs":                 {path: "/docker/" + idA, want: []Ref{{ID: idA, Runtime: "docker"}}},
		"docker, own parent":               {path: "/batch.slice/" + idA, want: []Ref{{ID: idA}}},
		"docker on cgroupfs, systemd path": {path: "/system.slice:docker:" + idA, want: []Ref{{ID: idA}}},
		"docker, rootless": {
			path: "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + idA + ".scope",
			want: []Ref{{ID: idA, Runtime: "docker"}},
		},

		// nerdctl.
		"nerdctl, systemd":  {path: "/system.slice/nerdctl-" + idA + ".scope", want: []Ref{{ID: idA, Runtime: "nerdctl"}}},
		"nerdctl, cgroupfs": {path: "/default/" + idA, want: []Ref{{ID: idA}}},
		"nerdctl, rootless": {
			path: "/user.slice/user-1000.slice/user@1000.service/user.slice/nerdctl-" + idA + ".scope",
			want: []Ref{{ID: idA, Runtime: "nerdctl"}},
		},

		// Podman.
		"podman, systemd":           {path: "/machine.slice/libpod-" + idA + ".scope", want: []Ref{{ID: idA, Runtime: "podman"}}},
		"podman, systemd, below":    {path: "/machine.slice/libpod-" + idA + ".scope/container", want: []Ref{{ID: idA, Runtime: "podman"}}},
		"podman, cgroupfs":          {path: "/libpod_parent/libpod-" + idA, want: []Ref{{ID: idA, Runtime: "podman"}}},
		"podman's monitor, systemd": {path: "/machine.slice/libpod-conmon-" + idA + ".scope"},
		"podman's monitor, cgroupfs": {
			path: "/libpod_parent/conmon",
		},
		"podman, rootless": {
			path: "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + idA + ".scope/container",
			want: []Ref{{ID: idA, Runtime: "podman"}},
		},
		"podman's pod, systemd": {
			path: "/machine.slice/machine-libpod_pod_" + idB + ".slice/libpod-" + idA + ".scope",
			want: []Ref{{ID: idA, Runtime: "podman"}},
		},
		"podman's pod, cgroupfs": {
			path: "/libpod_parent/" + idB + "/libpod-" + idA,
			want: []Ref{{ID: idA, Runtime: "podman"}},
		},
		"podman's pod's monitor, cgroupfs": {path: "/libpod_parent/" + idB + "/conmon"},
		"podman in a unit (Quadlet)": {
			path: "/system.slice/web.service/libpod-payload-" + idA,
			want: []Ref{{ID: idA, Runtime: "podman"}},
		},
		"podman's monitor in a unit": {path: "/system.slice/web.service/supervisor"},

		// Containers in containers, and views from elsewhere.
		"kind in docker, cgroupfs": {
			path: "/docker/" + idA + "/kubelet/kubepods/burstable/pod" + podUID + "/" + idB,
			want: []Ref{{ID: idA, Runtime: "docker"}, {ID: idB, Runtime: "cri", PodUID: podUID}},
		},
		"kind in docker, systemd": {
			path: "/system.slice/docker-" + idA + ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" + podSlice + ".slice/cri-containerd-" + idB + ".scope",
			want: []Ref{{ID: idA, Runtime: "docker"}, {ID: idB, Runtime: "containerd", PodUID: podUID}},
		},
		"docker in a pod: the uid is the outer one's": {
			path: "/kubepods/burstable/pod" + podUID + "/" + idA + "/docker/" + idB,
			want: []Ref{{ID: idA, Runtime: "cri", PodUID: podUID}, {ID: idB, Runtime: "docker"}},
		},
		"from another cgroup namespace": {
			path: "/../cri-containerd-" + idA + ".scope",
			want: []Ref{{ID: idA, Runtime: "containerd"}},
		},
		"from far away": {
			path: "/../../../kubepods/pod" + podUID + "/" + idA,
			want: []Ref{{ID: idA, Runtime: "cri", PodUID: podUID}},
		},

		// No containers.
		"root":             {path: "/"},
		"nothing":          {path: ""},
		"a unit":           {path: "/system.slice/containerd.service"},
		"a pod's slice":    {path: "/kubepods.slice/kubepods-pod" + podSlice + ".slice"},
		"buildkit's id":    {path: "/docker/buildkit/0123456789abcdef012345678"},
		"64 hex, relative": {path: idA}, // The kernel shows no such path.
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for i, ref := range test.want {
				end := strings.Index(test.path, ref.ID) + idLength
				if strings.HasPrefix(test.path[end:], ".scope") {
					end += len(".scope")
				}
				test.want[i].Path = test.path[:end]
			}
			if diff := cmp.Diff(test.want, Refs(test.path)); diff != "" {
				t.Errorf("Refs(%q) -want +got:\n%s", test.path, diff)
			}
		})
	}
}

// Whatever an attacker names a cgroup, it is a container's in one of the forms or none's.
func TestRefsOfHostileNames(t *testing.T) {
	for name, path := range map[string]string{
		"65 digits":                 "/docker/" + idA + "0",
		"63 digits":                 "/docker/" + idA[1:],
		"uppercase":                 "/docker/" + strings.ToUpper(idA),
		"a letter beyond hex":       "/docker/g" + idA[1:],
		"a line break in it":        "/docker/" + idA[1:] + "\n",
		"another scope":             "/system.slice/evil-" + idA + ".scope",
		"twice a scope":             "/system.slice/docker-" + idA + ".scope.scope",
		"a service":                 "/system.slice/docker-" + idA + ".service",
		"a prefix before":           "/system.slice/xdocker-" + idA + ".scope",
		"colons behind":             "/system.slice:docker:" + idA + ":",
		"full-width digits":         "/docker/" + strings.Repeat("０", 64),
		"64 bytes that are no text": "/docker/" + strings.Repeat("\xff", 64),
	} {
		t.Run(name, func(t *testing.T) {
			if refs := Refs(path); refs != nil {
				t.Errorf("Refs(%q) = %+v", path, refs)
			}
		})
	}
	t.Run("a huge path", func(t *testing.T) {
		refs := Refs(strings.Repeat("/docker/"+idA, 10_000))
		if len(refs) != 10_000 || refs[0].Path != "/docker/"+idA {
			t.Errorf("%d containers, the first at %s", len(refs), refs[0].Path)
		}
	})
	// A name that holds a pod's uid gives it to no other container than the next one.
	for name, test := range map[string]struct{ path, want string }{
		"uppercase uid":       {"/kubepods/pod" + strings.ToUpper(podUID) + "/" + idA, ""},
		"short uid":           {"/kubepods/pod" + podUID[1:] + "/" + idA, ""},
		"dashes in a hash":    {"/kubepods/pod" + podUID[:32] + "/" + idA, ""},
		"a slice not of pods": {"/evil-pod" + podSlice + ".slice/docker-" + idA + ".scope", ""},
		"the last one counts": {"/kubepods/pod" + podUID + "/pod" + staticUID + "/" + idA, staticUID},
	} {
		t.Run(name, func(t *testing.T) {
			refs := Refs(test.path)
			if len(refs) != 1 || refs[0].PodUID != test.want {
				t.Errorf("Refs(%q) = %+v, want one with the uid %q", test.path, refs, test.want)
			}
		})
	}
}

func FuzzRefs(f *testing.F) {
	f.Add("/docker/" + idA + "/kubelet/kubepods/burstable/pod" + podUID + "/" + idB)
	f.Add("/kubepods.slice/kubepods-pod" + podSlice + ".slice/cri-containerd-" + idA + ".scope")
	f.Add("/system.slice/kubepods-pod" + staticUID + ".slice:cri-containerd:" + idA)
	f.Add("/machine.slice/libpod-conmon-" + idA + ".scope/../libpod-payload-" + idB)
	f.Add("//\x00:-.slice-pod.scope")
	f.Fuzz(func(t *testing.T, path string) {
		above := ""
		for _, ref := range Refs(path) {
			if !isID(ref.ID) {
				t.Errorf("id %q", ref.ID)
			}
			if uid, ok := asUID(ref.PodUID); ref.PodUID != "" && (!ok || uid != ref.PodUID) {
				t.Errorf("pod uid %q", ref.PodUID)
			}
			if !strings.HasPrefix(path, ref.Path) || !strings.Contains(ref.Path, ref.ID) {
				t.Errorf("path %q of %q", ref.Path, path)
			}
			if rest := path[len(ref.Path):]; rest != "" && rest[0] != '/' {
				t.Errorf("path %q ends within an element of %q", ref.Path, path)
			}
			if len(ref.Path) <= len(above) {
				t.Errorf("%q stands behind %q, which is not above it", ref.Path, above)
			}
			above = ref.Path
		}
	})
}
