// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// mountLines are the mounts of a container that runc has made, before anybody changes them.
const mountLines = `612 540 0:77 / / rw - overlay overlay rw
613 612 0:80 / /proc rw - proc proc rw
614 612 0:82 / /dev rw - tmpfs tmpfs rw
640 613 0:82 /null /proc/keys rw - tmpfs tmpfs rw
641 613 0:83 / /proc/acpi ro - tmpfs tmpfs ro
642 613 0:80 /sys /proc/sys ro - proc proc rw
643 613 0:80 /bus /proc/bus ro - proc proc rw
`

func parseMountLines(t *testing.T, text string) []nsinspect.Mount {
	t.Helper()
	mounts, err := nsinspect.ParseMounts([]byte(text))
	scantest.Must(t, err)
	return mounts
}

// TestExposed has what a container with CAP_SYS_ADMIN may do with the mounts below /proc.
func TestExposed(t *testing.T) {
	t.Parallel()
	without := func(lines ...string) string {
		text := mountLines
		for _, line := range lines {
			kept := ""
			for all := range strings.Lines(text) {
				if !strings.HasPrefix(all, line) {
					kept += all
				}
			}
			text = kept
		}
		return text
	}
	keys, sys := []string{"/proc/keys"}, []string{"/proc/sys"}
	everything := []string{"/proc/acpi", "/proc/keys", "/proc/sys", "/proc/bus"}
	tests := map[string]struct {
		text string
		want []string
	}{
		"as the runtime made them":        {mountLines, nil},
		"a mask is unmounted":             {without("640"), keys},
		"a directory's mask is unmounted": {without("641"), []string{"/proc/acpi"}},
		"a read-only path is unmounted":   {without("642"), sys},
		"a read-only path is remounted":   {strings.Replace(mountLines, "/proc/sys ro", "/proc/sys rw", 1), sys},
		"the file is mounted on its mask": {mountLines + "650 640 0:80 /keys /proc/keys rw - proc proc rw\n", keys},
		"a mask of another kind":          {strings.Replace(mountLines, "0:82 /null /proc/keys rw - tmpfs", "8:1 /x /proc/keys rw - ext4", 1), nil},
		"another procfs on the first":     {mountLines + "650 613 0:80 / /proc rw - proc proc rw\n", everything},
		"a procfs below the first":        {mountLines + "650 1 0:80 / /proc rw - proc proc rw\n", nil}, // It is not reached.
		"another procfs elsewhere":        {mountLines + "650 612 0:80 / /mnt rw - proc proc rw\n", everything},
		"a part of procfs elsewhere":      {mountLines + "650 612 0:80 /sys /mnt rw - proc proc rw\n", nil},
		"one that was asked for":          {mountLines + "650 612 0:80 / /host/proc ro - proc proc rw\n", nil},
		"all of it is read-only":          {strings.Replace(without("642", "643"), "/proc rw", "/proc ro", 1), nil},
		"no procfs":                       {without("613", "64"), nil},
		"mounts in a circle":              {mountLines + "700 701 0:80 / /proc rw - proc proc rw\n701 700 0:80 / /proc rw - proc proc rw\n", nil},
		"a mount on itself":               {mountLines + "613 613 0:80 / /proc rw - proc proc rw\n", nil},
	}
	spec := &inventory.SecuritySpec{
		Masked:        []string{"/proc/acpi", "/proc/keys", "/proc/timer_list", "/sys/firmware", "/proc/1/root/x", "/proc/self/mem", "/proc/../etc", "/proc"},
		ReadOnlyPaths: []string{"/proc/sys", "/proc/bus"},
		Mounts:        []inventory.Mount{{Source: "/proc", Point: "/host"}, {Point: "/proc"}},
	}
	has := func(name string) bool {
		if strings.ContainsAny(name, "0123456789") || strings.Contains(name, "self") || strings.HasPrefix(name, "..") || name == "" {
			t.Errorf("asked for %q", name)
		}
		return name != "timer_list" // This kernel does not have it.
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, exposed(parseMountLines(t, test.text), spec, has)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestMountsOf has a container's mounts among those of the host. Where the host is a container itself,
// as in kind, the files of the devices that a container with a user namespace is given are of a tmpfs.
func TestMountsOf(t *testing.T) {
	t.Parallel()
	host := devicesOf(parseMountLines(t, `20 1 254:1 / / rw - ext4 /dev/vda rw
21 20 0:21 / /proc rw - proc proc rw
22 20 0:5 / /dev rw - devtmpfs udev rw
23 20 0:77 / /run/rootfs rw - overlay overlay rw
24 20 0:90 / /var/lib/kubelet/secret rw - tmpfs tmpfs rw
25 20 0:91 / /mnt rw - nfs4 server:/ rw
26 20 0:92 / /dev rw - tmpfs tmpfs rw
`))
	own := mountLines + `650 612 254:1 /data /data ro - ext4 /dev/vda rw
651 612 0:90 / /secret rw - tmpfs tmpfs rw
652 612 0:91 /x /share rw shared:7 - nfs4 server:/ rw
653 614 0:5 /null /dev/null rw - devtmpfs udev rw
654 612 0:5 / /hostdev rw - devtmpfs udev rw
655 612 0:21 / /hostproc rw - proc proc rw
656 612 0:77 /etc /copy rw - overlay overlay rw
657 612 0:99 / /tmp rw - tmpfs tmpfs rw
660 614 0:92 /null /dev/null rw - tmpfs tmpfs rw
661 614 0:92 /zero /dev/zero rw - tmpfs tmpfs rw
662 614 0:92 /full /dev/full rw - tmpfs tmpfs rw
663 614 0:92 /random /dev/random rw - tmpfs tmpfs rw
664 614 0:92 /urandom /dev/urandom rw - tmpfs tmpfs rw
665 614 0:92 /tty /dev/tty rw - tmpfs tmpfs rw
666 614 0:92 /vda /dev/vda rw - tmpfs tmpfs rw
667 612 254:1 /null /null rw - ext4 /dev/vda rw
`
	want := &snapshot.Mounts{Host: []nsinspect.Mount{
		{Major: 254, Minor: 1, Root: "/data", Point: "/data", FSType: "ext4", ReadOnly: true},
		{Minor: 90, Root: "/", Point: "/secret", FSType: "tmpfs"},
		{Minor: 91, Root: "/x", Point: "/share", FSType: "nfs4", Shared: true},
		{Minor: 5, Root: "/", Point: "/hostdev", FSType: "devtmpfs"},
		{Minor: 92, Root: "/vda", Point: "/dev/vda", FSType: "tmpfs"},
		{Major: 254, Minor: 1, Root: "/null", Point: "/null", FSType: "ext4"},
	}}
	if diff := cmp.Diff(want, mountsOf(parseMountLines(t, own), nil, host, nil)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// A container whose root directory is a directory of the host's disk.
	native := strings.NewReplacer("0:77 / / rw - overlay overlay", "254:1 /snapshots/1/fs / ro - ext4 /dev/vda", "0:77 /etc", "254:1 /snapshots/1/fs/etc").Replace(own)
	want.ReadOnlyRoot = true
	if diff := cmp.Diff(want, mountsOf(parseMountLines(t, native), nil, host, nil)); diff != "" {
		t.Errorf("a root directory on the host's disk (-want +got):\n%s", diff)
	}
	// More than are kept.
	for i := range maxHostMountsKept {
		own += fmt.Sprintf("%d 612 254:1 /x /x%d rw - ext4 /dev/vda rw\n", 1000+i, i)
	}
	if got := mountsOf(parseMountLines(t, own), nil, host, nil); len(got.Host) != maxHostMountsKept || got.MoreHost != len(want.Host) {
		t.Errorf("%d mounts and %d more", len(got.Host), got.MoreHost)
	}
	if got := mountsOf(nil, nil, host, nil); got != nil {
		t.Errorf("of no mounts: %+v", got)
	}
}

// A root directory that is mounted over is the one that is seen.
func TestRootIsMountedOver(t *testing.T) {
	t.Parallel()
	over := mountLines + "700 612 0:77 / / ro - overlay overlay rw\n"
	if got := mountsOf(parseMountLines(t, over), nil, nil, nil); !got.ReadOnlyRoot {
		t.Error("the mount below is taken for the root directory")
	}
}

func FuzzMountsOf(f *testing.F) {
	f.Add(mountLines)
	f.Add("613 613 0:80 / / rw - proc proc rw\n613 613 0:80 / /proc rw - proc proc rw\n")
	spec := &inventory.SecuritySpec{Masked: []string{"/proc/keys"}, ReadOnlyPaths: []string{"/proc/sys"}}
	f.Fuzz(func(t *testing.T, text string) {
		mounts, err := nsinspect.ParseMounts([]byte(text))
		if err != nil {
			return
		}
		got := mountsOf(mounts, spec, devicesOf(mounts), func(string) bool { return true })
		if got != nil && len(got.Host)+got.MoreHost > len(mounts) {
			t.Errorf("%d mounts of %d", len(got.Host)+got.MoreHost, len(mounts))
		}
	})
}
