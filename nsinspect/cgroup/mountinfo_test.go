// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/internal/fakehost"
	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

const podMounts = `820 500 0:100 / / rw,relatime - overlay overlay rw,lowerdir=/l/a:/l/b
825 820 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw
830 820 0:26 /../../.. /host/sys/fs/cgroup ro,relatime master:9 - cgroup2 cgroup2 rw
831 820 0:26 /../../../a\040b /host/one ro,relatime - cgroup2 cgroup2 rw
`

func TestReadMounts(t *testing.T) {
	fake := fakeproc.New(t)
	fake.Write("mounts", podMounts)
	mounts, err := readMounts(unix.AT_FDCWD, fake.Path("mounts"))
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[uint64]string{825: "/", 830: "/../../..", 831: "/../../../a b"} {
		if root, ok := mounts.root(id); !ok || root != want {
			t.Errorf("the root of mount %d is %q, %t, want %q", id, root, ok, want)
		}
	}
	for _, id := range []uint64{820, 1} {
		if root, ok := mounts.root(id); ok {
			t.Errorf("mount %d is not of cgroup v2, and its root is %q", id, root)
		}
	}
}

func TestReadMountsRefuses(t *testing.T) {
	fake := fakeproc.New(t)
	errAny := errors.New("any")
	for name, test := range map[string]struct {
		text string
		want error
	}{
		"nonsense": {"nonsense\n", errAny},
		"large":    {strings.Repeat(podMounts, maxMountBytes/len(podMounts)+1), nsinspect.ErrTooLarge},
	} {
		fake.Write(name, test.text)
		mounts, err := readMounts(unix.AT_FDCWD, fake.Path(name))
		if errors.Is(test.want, errAny) && err != nil {
			err = errAny
		}
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v, want %v", name, mounts, err, test.want)
		}
	}
}

// What is not of cgroup v2 alone has no tree, and a reference that is gone has none either.
func TestCgroupTreeRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(fake *fakeproc.Proc)
		want   error
	}{
		"another file system":  {func(fake *fakeproc.Proc) { fake.Mkdir("proc/5/root/sys/fs/cgroup/pids") }, ErrNotV2},
		"no mount point":       {func(*fakeproc.Proc) {}, ErrNotV2},
		"a process that ended": {func(fake *fakeproc.Proc) { fake.Remove("proc/5/stat") }, nsinspect.ErrVanished},
		"a root out of reach": {func(fake *fakeproc.Proc) {
			fake.Mkdir("forbidden/root/sys/fs/cgroup")
			fake.Link("../../forbidden/root", "proc/5/root")
		}, nsinspect.ErrDenied},
		"another process": {func(fake *fakeproc.Proc) {
			fake.Remove("proc/5")
			fake.Add(fakeproc.Process{PID: 5, NS: fakeproc.AllKinds("other")})
		}, nsinspect.ErrVanished},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := fakeproc.New(t)
			fake.Add(fakeproc.Process{PID: 5, NS: fakeproc.AllKinds("host"), Cgroup: "0::/\n"})
			host := fakehost.Open(t, fake)
			test.change(fake)
			fake.WithoutRights(func() {
				if tree, err := OpenTree(host); !errors.Is(err, test.want) {
					t.Errorf("OpenTree = %+v, %v, want %v", tree, err, test.want)
				}
			})
		})
	}
}
