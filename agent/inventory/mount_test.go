// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"testing"

	"github.com/nsaudit/nsaudit/nsinspect"
)

func TestOrigin(t *testing.T) {
	t.Parallel()
	pod := &Pod{Namespace: "n", Name: "p", UID: "u-1"}
	inPod, alone := Container{ID: "c-1", SandboxID: "s-1", Pod: pod}, Container{ID: "c-1"}
	tests := map[string]struct {
		of            Container
		source, point string
		want          MountOrigin
		below         string
	}{
		"a new file system":                     {inPod, "", "/proc", OfKernel, ""},
		"a volume":                              {inPod, "/var/lib/kubelet/pods/u-1/volumes/kubernetes.io~secret/s", "/s", OfPod, "volumes/kubernetes.io~secret/s"},
		"a volume, of another kubelet":          {inPod, "/data/kubelet/pods/u-1/etc-hosts", "/etc/hosts", OfPod, "etc-hosts"},
		"another pod's volume":                  {inPod, "/var/lib/kubelet/pods/u-2/etc-hosts", "/etc/hosts", OfHost, ""},
		"the directory of the pod, left again":  {inPod, "/var/lib/kubelet/pods/u-1/../../../../etc", "/x", OfHost, ""},
		"the directory of the pod, as a whole":  {inPod, "/var/lib/kubelet/pods/u-1", "/x", OfHost, ""},
		"the host name":                         {inPod, "/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/s-1/hostname", "/etc/hostname", OfRuntime, ""},
		"a file that Docker makes":              {alone, "/var/lib/docker/containers/c-1/hosts", "/etc/hosts", OfRuntime, ""},
		"a name that begins like the container": {alone, "/srv/c-11/hosts", "/etc/hosts", OfHost, ""},
		"memory that the host has too":          {inPod, "/dev/shm", "/dev/shm/", OfRuntime, ""},
		"the same elsewhere":                    {inPod, "/dev/shm", "/shm", OfHost, ""},
		"a directory of the host":               {inPod, "/etc", "/host/etc", OfHost, ""},
		"a relative path":                       {inPod, "pods/u-1/x", "/x", OfHost, ""},
		"neither pod nor sandbox":               {Container{}, "/var//pods//x", "/x", OfHost, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, below := test.of.Origin(&Mount{Source: test.source, Point: test.point})
			if got != test.want {
				t.Errorf("Origin of %s is %d, want %d", test.source, got, test.want)
			}
			if below != test.below {
				t.Errorf("%s is %q in the directory of the pod, want %q", test.source, below, test.below)
			}
		})
	}
}

// Without the runtime's spec nothing is known to be undeclared.
func TestUndeclaredMountsNeedSpec(t *testing.T) {
	t.Parallel()
	seen := []nsinspect.Mount{{Root: "/", Point: "/mnt", FSType: "ext4"}}
	for name, security := range map[string]*Security{"nothing": nil, "a request": {Request: &SecurityRequest{}}} {
		c := Container{Security: security}
		if got := c.UndeclaredMounts(seen); got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	c := Container{Security: &Security{Spec: &SecuritySpec{}}}
	if got := c.UndeclaredMounts(seen); len(got) != 1 || got[0] != &seen[0] {
		t.Errorf("with a spec: %v", got)
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, dir string
		want      bool
	}{
		{"/a", "/a", true},
		{"/a/b", "/a", true},
		{"/ab", "/a", false},
		{"/a/b", "/a/", true},
		{"/", "/a", false},
		{"/", "/", true},
		{"/a", "/", true},
		{"a", "/", false},
	} {
		if got := Within(test.name, test.dir); got != test.want {
			t.Errorf("Within(%q, %q) = %t", test.name, test.dir, got)
		}
	}
}
