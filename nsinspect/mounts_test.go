// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

// TestMounts has the mounts of a container with a read-only root, as Linux 6.1 shows them.
func TestMounts(t *testing.T) {
	t.Parallel()
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5})
	fake.Write("proc/5/mountinfo", `612 540 0:77 / / ro,relatime master:200 - overlay overlay rw,lowerdir=/a,upperdir=/b
613 612 0:80 / /proc rw,nosuid - proc proc rw
640 613 0:81 /null /proc/keys rw,nosuid - tmpfs tmpfs rw,size=64k
641 613 0:80 /sys /proc/sys ro,nosuid - proc proc rw
650 612 254:1 /data\040of\134it /mnt/a\011b rw shared:7 master:8 - ext4 /dev/vda rw
`)
	got, err := openProcess(t, fake, 5).Mounts()
	if err != nil {
		t.Fatal(err)
	}
	want := []Mount{
		{ID: 612, Parent: 540, Minor: 77, Root: "/", Point: "/", FSType: "overlay", ReadOnly: true},
		{ID: 613, Parent: 612, Minor: 80, Root: "/", Point: "/proc", FSType: "proc"},
		{ID: 640, Parent: 613, Minor: 81, Root: "/null", Point: "/proc/keys", FSType: "tmpfs"},
		{ID: 641, Parent: 613, Minor: 80, Root: "/sys", Point: "/proc/sys", FSType: "proc", ReadOnly: true},
		{ID: 650, Parent: 612, Major: 254, Minor: 1, Root: `/data of\it`, Point: "/mnt/a\tb", FSType: "ext4", Shared: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMountsOutcomes(t *testing.T) {
	t.Parallel()
	line := "613 612 0:80 / /proc rw,nosuid - proc proc rw\n"
	tests := map[string]struct {
		text string
		want error
	}{
		"no file":              {"", ErrVanished},
		"another form":         {"613 612\n", ErrMalformed},
		"more than a megabyte": {strings.Repeat(line, maxMountBytes/len(line)+1), ErrTooLarge},
		"as many as are read":  {strings.Repeat(line, maxMountBytes/len(line)), nil},
		"no separator":         {strings.Replace(line, " - ", " ", 1), ErrMalformed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := fakeproc.New(t)
			fake.Add(fakeproc.Process{PID: 5})
			if test.text != "" {
				fake.Write("proc/5/mountinfo", test.text)
			}
			if got, err := openProcess(t, fake, 5).Mounts(); !errors.Is(err, test.want) {
				t.Errorf("Mounts = %d mounts, %v, want %v", len(got), err, test.want)
			}
		})
	}
}

func FuzzParseMounts(f *testing.F) {
	f.Add("613 612 0:80 / /proc rw,nosuid shared:1 - proc proc rw\n")
	f.Add("1 1 0:0 \\040 \\999 ro - x y\n")
	f.Fuzz(func(t *testing.T, text string) {
		mounts, err := parseMounts(strings.NewReader(text))
		if err == nil && len(mounts) > strings.Count(text, "\n")+1 {
			t.Errorf("%d mounts in %q", len(mounts), text)
		}
	})
}

// TestRootDir compares with what stat says of this process's own root.
func TestRootDir(t *testing.T) {
	t.Parallel()
	process := ownProcess(t)
	got, err := process.RootDir()
	if err != nil {
		t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := unix.Stat("/", &stat); err != nil {
		t.Fatal(err)
	}
	if want := (FileID{Dev: stat.Dev, Ino: stat.Ino}); got != want {
		t.Errorf("RootDir = %+v, want %+v", got, want)
	}
}

func TestRootDirOutcomes(t *testing.T) {
	tests := map[string]struct {
		link, stat string
		want       error
	}{
		"no link":  {"", "", ErrVanished},
		"denied":   {"../../forbidden/root", "", ErrDenied},
		"a zombie": {"../../forbidden/root", fakeproc.ZombieStat, ErrVanished},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := fakeproc.New(t)
			fake.Add(fakeproc.Process{PID: 5, Stat: test.stat})
			if test.link != "" {
				fake.Mkdir("forbidden/root")
				fake.Link(test.link, "proc/5/root")
			}
			process := openProcess(t, fake, 5)
			fake.WithoutRights(func() {
				if got, err := process.RootDir(); !errors.Is(err, test.want) {
					t.Errorf("RootDir = %+v, %v, want %v", got, err, test.want)
				}
			})
		})
	}
}
