// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// open gives a process a descriptor of a namespace of process 1.
func open(t *testing.T, fs *nsinspect.FS, pid, fd int, kind nsinspect.Kind) (path string) {
	t.Helper()
	target, err := os.Readlink(filepath.Join(fs.Root(), "1/ns", kind.String()))
	scantest.Must(t, err)
	var stat unix.Stat_t
	scantest.Must(t, unix.Stat(target, &stat))
	dir := filepath.Join(fs.Root(), fmt.Sprint(pid), "fd")
	scantest.Must(t, os.MkdirAll(dir, 0o755))
	name := fmt.Sprintf("%s:[%d]", kind, stat.Ino)
	if err := os.Link(target, filepath.Join(dir, name)); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	path = filepath.Join(dir, fmt.Sprint(fd))
	scantest.Must(t, os.Symlink(name, path))
	return path
}

// TestHeldFiles has containers with the host's namespaces open. The second declares one of them.
func TestHeldFiles(t *testing.T) {
	t.Parallel()
	const a, b = 42, 52
	fs := scantest.Procfs(t, map[int]string{a: "/kubepods/" + scantest.HexID("a"), b: "/kubepods/" + scantest.HexID("b")})
	declares := scantest.Named("b", inventory.Running, b)
	declares.Declared = inventory.Declaration{By: inventory.ByPod, Host: []nsinspect.Kind{nsinspect.PID}}
	source := scantest.Source{Listed: []inventory.Container{scantest.Named("a", inventory.Running, a), declares}}
	cache := new(HolderCache)
	held := func() map[string][]snapshot.Held {
		t.Helper()
		snap, err := New(Config{Procfs: fs, Source: source, Hosts: pid1(), Holders: cache}).Scan(t.Context())
		scantest.Must(t, err)
		found := make(map[string][]snapshot.Held)
		for _, container := range snap.Containers {
			if len(container.Held) > 0 {
				found[container.ID[:1]] = container.Held
			}
		}
		return found
	}
	by := func(pid, fd int, kind nsinspect.Kind) snapshot.Held {
		return snapshot.Held{Kind: kind, Way: snapshot.HeldFile, PID: pid, Command: "web", Detail: fmt.Sprint(fd)}
	}
	mounts := open(t, fs, a, 3, nsinspect.Mnt)
	open(t, fs, a, 4, nsinspect.PID)
	open(t, fs, b, 3, nsinspect.PID)
	open(t, fs, b, 4, nsinspect.IPC)
	want := map[string][]snapshot.Held{
		"a": {by(a, 3, nsinspect.Mnt), by(a, 4, nsinspect.PID)},
		"b": {by(b, 4, nsinspect.IPC)},
	}
	for i := range 2 { // The second does not list all files, but looks at these.
		if diff := cmp.Diff(want, held()); diff != "" {
			t.Errorf("scan %d: -want +got:\n%s", i, diff)
		}
	}
	scantest.Must(t, os.Remove(mounts))
	want["a"] = want["a"][1:]
	if diff := cmp.Diff(want, held()); diff != "" {
		t.Errorf("one was closed: -want +got:\n%s", diff)
	}
}

// TestHeldMounts has mounts that show the host's namespaces.
func TestHeldMounts(t *testing.T) {
	t.Parallel()
	var host nsinspect.Namespaces
	host.Set(nsinspect.Net, nsinspect.ID{Dev: 4, Ino: 77})
	host.Set(nsinspect.PID, nsinspect.ID{Dev: 4, Ino: 78})
	own := newHostMounts(parseMountLines(t, `20 1 254:1 / / rw - ext4 /dev/vda rw
21 20 0:21 / /proc rw - proc proc rw
22 20 0:22 / /dev/mqueue rw - mqueue mqueue rw
23 20 0:4 net:[77] /run/docker/netns/default rw - nsfs nsfs rw
24 20 0:4 net:[99] /run/netns/cni-1 rw - nsfs nsfs rw
25 20 0:90 / /dev/other rw - mqueue mqueue rw
`))
	given := func(source, point string) []inventory.Mount { return []inventory.Mount{{Source: source, Point: point}} }
	none := []string(nil)
	tests := map[string]struct {
		line  string
		given []inventory.Mount
		want  []string
	}{
		"the network's file":               {"0:4 net:[77] /tmp/net rw - nsfs nsfs rw", nil, []string{"net of its file at /tmp/net"}},
		"another network's":                {"0:4 net:[99] /tmp/net rw - nsfs nsfs rw", nil, none},
		"of another kind":                  {"0:4 pid:[77] /tmp/net rw - nsfs nsfs rw", nil, none},
		"a file of that name":              {"254:1 net:[77] /tmp/net rw - ext4 /dev/vda rw", nil, none},
		"with a directory of the host":     {"0:4 net:[77] /host/netns/default rw - nsfs nsfs rw", given("/run/docker/netns", "/host/netns"), none},
		"by another path of it":            {"0:4 net:[77] /host/netns/default rw - nsfs nsfs rw", given("/var/run/docker/netns", "/host/netns"), none},
		"with all directories of the host": {"0:4 net:[77] /host/run/docker/netns/default rw - nsfs nsfs rw", given("/", "/host"), none},
		"elsewhere in what was given":      {"0:4 net:[77] /host/netns/mine rw - nsfs nsfs rw", given("/run/docker/netns", "/host/netns"), []string{"net of its file at /host/netns/mine"}},
		"over what was given":              {"0:4 net:[77] /host/netns/cni-1 rw - nsfs nsfs rw", given("/run/netns", "/host/netns"), []string{"net of its file at /host/netns/cni-1"}},
		"the host's procfs":                {"0:21 / /tmp/p rw - proc proc rw", nil, []string{"pid of proc at /tmp/p"}},
		"the container's own procfs":       {"0:80 / /proc rw - proc proc rw", nil, none},
		"the host's procfs, given":         {"0:21 / /host/proc rw - proc proc rw", given("/proc", "/host/proc"), none},
		"a part of it, given":              {"0:21 /sys /host/sys rw - proc proc rw", given("/proc/sys", "/host/sys"), none},
		"the host's procfs, given, and once more with a directory": {
			"0:21 / /host/proc rw - proc proc rw\n613 600 0:21 / /run/rootfs/host/proc rw - proc proc rw", append(given("/proc", "/host/proc"), given("/run", "/run")...), none,
		},
		"all of it where a part was given":   {"0:21 / /host/sys rw - proc proc rw", given("/proc/sys", "/host/sys"), []string{"pid of proc at /host/sys"}},
		"the host's queues":                  {"0:22 / /tmp/q rw - mqueue mqueue rw", nil, []string{"ipc of mqueue at /tmp/q"}},
		"the host's queues with its devices": {"0:22 / /dev/mqueue rw - mqueue mqueue rw", given("/dev", "/dev"), none},
		"queues that are not the host's own": {"0:90 / /tmp/q rw - mqueue mqueue rw", nil, none},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := &inventory.SecuritySpec{Mounts: append(given("", "/proc"), test.given...)}
			container := &inventory.Container{Security: &inventory.Security{Spec: spec}}
			mounts := parseMountLines(t, "600 1 0:60 / / rw - overlay overlay rw\n612 600 "+test.line+"\n")
			var got []string
			for _, held := range own.held(container, mounts, &host) {
				got = append(got, held.Kind.String()+" "+held.Detail)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			container.Declared = inventory.Declaration{By: inventory.ByPod, Host: judged()}
			if held := own.held(container, mounts, &host); held != nil {
				t.Errorf("held though it was declared: %+v", held)
			}
		})
	}
}
