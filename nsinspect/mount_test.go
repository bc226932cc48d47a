package nsinspect

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const podMounts = `820 500 0:100 / / rw,relatime - overlay overlay rw,lowerdir=/l/a:/l/b
825 820 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw
830 820 0:26 /../../.. /host/sys/fs/cgroup ro,relatime master:9 - cgroup2 cgroup2 rw
831 820 0:26 /../../../a\040b /host/one ro,relatime - cgroup2 cgroup2 rw
`

func TestReadMounts(t *testing.T) {
	fake := newFakeProc(t)
	fake.write("mounts", podMounts)
	mounts, err := readMounts(unix.AT_FDCWD, fake.path("mounts"))
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
	fake := newFakeProc(t)
	for name, test := range map[string]struct {
		text string
		want error
	}{
		"nonsense": {"nonsense\n", errAny},
		"large":    {strings.Repeat(podMounts, maxMountBytes/len(podMounts)+1), ErrTooLarge},
	} {
		fake.write(name, test.text)
		mounts, err := readMounts(unix.AT_FDCWD, fake.path(name))
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
		change func(fake *fakeProc)
		want   error
	}{
		"another file system":  {func(fake *fakeProc) { fake.mkdir("proc/5/root/sys/fs/cgroup/pids") }, ErrNoCgroup2},
		"no mount point":       {func(*fakeProc) {}, ErrNoCgroup2},
		"a process that ended": {func(fake *fakeProc) { fake.remove("proc/5/stat") }, ErrVanished},
		"a root out of reach": {func(fake *fakeProc) {
			fake.mkdir("forbidden/root/sys/fs/cgroup")
			fake.link("../../forbidden/root", "proc/5/root")
		}, ErrDenied},
		"another process": {func(fake *fakeProc) {
			fake.remove("proc/5")
			fake.add(fakeProcess{pid: 5, ns: allKinds("other")})
		}, ErrVanished},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake, host := fakeHost(t, nil)
			test.change(fake)
			fake.withoutRights(func() {
				if tree, err := OpenCgroupTree(host); !errors.Is(err, test.want) {
					t.Errorf("OpenCgroupTree = %+v, %v, want %v", tree, err, test.want)
				}
			})
		})
	}
}
