// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/level"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// podVolumes is where the kubelet keeps what it makes for the pod of these tests.
const podVolumes = "/var/lib/kubelet/pods/u/volumes/kubernetes.io~"

// bindOf is the recursive bind mount that the runtime spec has for a volume.
func bindOf(source, point string, change ...func(*inventory.Mount)) inventory.Mount {
	mount := inventory.Mount{Source: source, Point: point, Recursive: true}
	for _, f := range change {
		f(&mount)
	}
	return mount
}

func receives(m *inventory.Mount) { m.Receives = true }
func shares(m *inventory.Mount)   { m.Receives, m.Shares = true, true }
func alone(m *inventory.Mount)    { m.Recursive = false }

// onDisk is a mount of the host's disk, and onTmpfs one of a tmpfs that the kubelet has mounted.
func onDisk(root, point string) nsinspect.Mount {
	return nsinspect.Mount{Major: 8, Minor: 1, Root: root, Point: point, FSType: "ext4"}
}

func onTmpfs(minor int, point string) nsinspect.Mount {
	return nsinspect.Mount{Minor: minor, Root: "/", Point: point, FSType: "tmpfs", ReadOnly: true}
}

func ofType(fsType, point string) nsinspect.Mount {
	return nsinspect.Mount{Minor: 90, Root: "/", Point: point, FSType: fsType}
}

// TestUndeclaredMounts has what a container was told to mount, and what it has of the host's. What
// is a finding makes its pod's level the lowest, and nothing else does.
func TestUndeclaredMounts(t *testing.T) {
	t.Parallel()
	token := bindOf(podVolumes+"projected/kube-api-access-x", "/var/run/secrets/kubernetes.io/serviceaccount")
	data := bindOf(podVolumes+"empty-dir/data", "/data")
	dataSeen := onDisk("/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/data", "/data")
	const root = "/ of ext4 8:1 at "
	tests := map[string]struct {
		told  []inventory.Mount
		asked []inventory.Mount
		seen  []nsinspect.Mount
		want  []string
	}{
		"nothing": {},
		"what the kubelet makes for each container": {
			told: []inventory.Mount{
				bindOf("/var/lib/kubelet/pods/u/etc-hosts", "/etc/hosts"), bindOf("/var/lib/kubelet/pods/u/containers/main/1", "/dev/termination-log"),
				bindOf("/run/containerd/io.containerd.grpc.v1.cri/sandboxes/box/shm", "/dev/shm"), bindOf("/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/box/resolv.conf", "/etc/resolv.conf"),
				token,
				{Point: "/proc"},
				{Point: "/dev"},
			},
			seen: []nsinspect.Mount{
				onDisk("/var/lib/kubelet/pods/u/etc-hosts", "/etc/hosts"), onDisk("/var/lib/kubelet/pods/u/containers/main/1", "/dev/termination-log"),
				onTmpfs(40, "/dev/shm"), onDisk("/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/box/resolv.conf", "/etc/resolv.conf"),
				onTmpfs(41, token.Point),
			},
		},
		"a disk that SYS_ADMIN mounts": {
			seen: []nsinspect.Mount{onDisk("/", "/mnt")}, want: []string{root + "/mnt (writable)"},
		},
		"a disk of which a part is a volume": {
			told: []inventory.Mount{data}, seen: []nsinspect.Mount{dataSeen, onDisk("/", "/mnt")}, want: []string{root + "/mnt (writable)"},
		},
		"a disk mounted below a volume": {
			told: []inventory.Mount{data}, seen: []nsinspect.Mount{dataSeen, onDisk("/", "/data/host")}, want: []string{root + "/data/host (writable)"},
		},
		"a disk mounted over a volume": {
			told: []inventory.Mount{data}, seen: []nsinspect.Mount{dataSeen, onDisk("/", "/data")}, want: []string{root + "/data (writable)"},
		},
		"a disk mounted over a volume, and a part of it elsewhere": {
			told: []inventory.Mount{data}, seen: []nsinspect.Mount{dataSeen, onDisk("/", "/data"), onDisk("/etc", "/mnt")},
			want: []string{root + "/data (writable)", "/etc of ext4 8:1 at /mnt (writable)"},
		},
		"a disk mounted over a new file system of the runtime's": {
			told: []inventory.Mount{{Point: "/dev/shm"}}, seen: []nsinspect.Mount{onDisk("/", "/dev/shm")}, want: []string{root + "/dev/shm (writable)"},
		},
		"a volume in a volume": {
			told: []inventory.Mount{data, bindOf(podVolumes+"configmap/c", "/data/c")},
			seen: []nsinspect.Mount{dataSeen, onDisk("/var/lib/kubelet/pods/u/volumes/kubernetes.io~configmap/c", "/data/c")},
		},
		"the runtime's socket": {
			told: []inventory.Mount{bindOf("/var/run/docker.sock", "/var/run/docker.sock")}, seen: []nsinspect.Mount{{Minor: 25, Root: "/docker.sock", Point: "/run/docker.sock", FSType: "tmpfs"}},
		},
		"a token below a symbolic link of the image": {
			told: []inventory.Mount{token}, seen: []nsinspect.Mount{onTmpfs(41, "/run/secrets/kubernetes.io/serviceaccount")},
		},
		"a link explains one mount": {
			told: []inventory.Mount{token}, seen: []nsinspect.Mount{onTmpfs(41, "/run/secrets/kubernetes.io/serviceaccount"), onDisk("/", "/mnt/serviceaccount")},
			want: []string{root + "/mnt/serviceaccount (writable)"},
		},
		"a file that is a symbolic link in the image": {
			told: []inventory.Mount{bindOf("/var/lib/containerd/sandboxes/box/resolv.conf", "/etc/resolv.conf")},
			seen: []nsinspect.Mount{onDisk("/lib/containerd/sandboxes/box/resolv.conf", "/run/systemd/resolve/stub-resolv.conf")},
		},
		"modules, where /lib is /usr/lib, and what is below them": {
			told: []inventory.Mount{bindOf("/lib/modules", "/lib/modules")},
			seen: []nsinspect.Mount{onDisk("/usr/lib/modules", "/usr/lib/modules"), {Minor: 70, Root: "/", Point: "/usr/lib/modules/x", FSType: "squashfs"}},
		},
		"a part of a volume: the source is a mount of its own": {
			told: []inventory.Mount{bindOf("/var/lib/kubelet/pods/u/volume-subpaths/data/main/0", "/var/sub")},
			seen: []nsinspect.Mount{onDisk("/exports/data/sub", "/var/sub")},
		},
		"what is below a directory of the host": {
			told: []inventory.Mount{bindOf("/", "/host")}, seen: []nsinspect.Mount{onDisk("/", "/host"), onTmpfs(30, "/host/run"), onTmpfs(31, "/host/run")},
		},
		"what is below one that was mounted alone": {
			told: []inventory.Mount{bindOf("/srv", "/srv", alone)}, seen: []nsinspect.Mount{onDisk("/srv", "/srv"), onTmpfs(30, "/srv/x")},
			want: []string{"/ of tmpfs 0:30 at /srv/x"},
		},
		"what the host mounts later below a volume": {
			told: []inventory.Mount{bindOf(data.Source, "/data", receives)}, seen: []nsinspect.Mount{dataSeen, ofType("fuse.x", "/data/x"), onDisk("/", "/data/y")},
		},
		"what a driver mounts for all": {
			told: []inventory.Mount{bindOf("/var/lib/kubelet", "/var/lib/kubelet", shares)},
			seen: []nsinspect.Mount{onDisk("/var/lib/kubelet", "/var/lib/kubelet"), onDisk("/x", "/var/lib/kubelet/pods/v/volumes/y")},
		},
		"a server's files below a volume": {
			told: []inventory.Mount{data}, seen: []nsinspect.Mount{dataSeen, ofType("fuse.sshfs", "/data/a"), ofType("nfs4", "/data/b")},
		},
		"a disk by FUSE below a volume": {
			told: []inventory.Mount{data}, seen: []nsinspect.Mount{dataSeen, ofType("fuseblk", "/data/a")}, want: []string{"/ of fuseblk 0:90 at /data/a (writable)"},
		},
		"a volume mounted once more": {
			told: []inventory.Mount{data}, seen: []nsinspect.Mount{dataSeen, onDisk(dataSeen.Root+"/docker", "/var/lib/docker")},
		},
		"the pod and the runtime name a source in different ways": {
			told: []inventory.Mount{bindOf("/run/x", "/x", alone)}, asked: []inventory.Mount{bindOf("/var/run/x", "/x", alone)},
			seen: []nsinspect.Mount{onTmpfs(25, "/x"), onDisk("/", "/x")},
			want: []string{root + "/x (writable)"},
		},
		"an image that is a volume": {
			asked: []inventory.Mount{{Point: "/models", Recursive: true}}, seen: []nsinspect.Mount{ofType("overlay", "/models")},
		},
		"a directory of the host that no runtime was told of": {
			asked: []inventory.Mount{bindOf("/srv", "/srv")}, seen: []nsinspect.Mount{onDisk("/srv", "/srv")},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := container("main", byPod())
			c.Security = &inventory.Security{Spec: &inventory.SecuritySpec{Mounts: test.told}, Request: &inventory.SecurityRequest{Mounts: test.asked}}
			c.Mounts = &snapshot.Mounts{Host: test.seen}
			s := snapshotOf(c)
			s.HostSecurity = new(snapshot.HostSecurity)
			var got []string
			findings, _ := hostPath().Judge(&node{Snapshot: s})
			for _, f := range findings {
				if f.Verdict == Undeclared {
					got = f.Evidence.(*SecurityEvidence).Actual
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("undeclared (-want +got):\n%s", diff)
			}
			if lowers := lowersLevel(level.Of(s)); lowers != (len(test.want) > 0) {
				t.Errorf("the level counts an undeclared mount: %t", lowers)
			}
		})
	}
}

// lowersLevel reports whether a mount that was not asked for is among the violations of pods.
func lowersLevel(pods []level.Pod) bool {
	return slices.ContainsFunc(pods, func(pod level.Pod) bool {
		return slices.ContainsFunc(pod.Violations, func(v level.Violation) bool {
			return v.Control == "HostPath Volumes" && strings.HasSuffix(v.Detail, "which was not asked for")
		})
	})
}
