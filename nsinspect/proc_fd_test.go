// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// inodesOf returns the sockets that a process holds, sorted.
func inodesOf(t *testing.T, process *Process) ([]uint64, int, error) {
	t.Helper()
	var inodes []uint64
	listed, err := process.Descriptors(t.Context(), DescriptorRange{Limit: 100}, func(d *Descriptor) bool {
		if inode, ok := d.Socket(); ok {
			inodes = append(inodes, inode)
		}
		return true
	})
	slices.Sort(inodes)
	return inodes, listed.Seen, err
}

func TestDescriptorSockets(t *testing.T) {
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5})
	for fd, target := range []string{"socket:[42]", "/dev/null", "socket:[7]", "anon_inode:[eventpoll]", "/tmp/socket:[8]", "socket:[]", "socket:[9", "pipe:[10]"} {
		fake.Mkdir("proc/5/fd")
		fake.Link(target, fmt.Sprintf("proc/5/fd/%d", fd))
	}
	inodes, seen, err := inodesOf(t, openProcess(t, fake, 5))
	if diff := cmp.Diff([]uint64{7, 42}, inodes); diff != "" || seen != 8 || err != nil {
		t.Errorf("saw %d descriptors, %v -want +got:\n%s", seen, err, diff)
	}
}

// TestDescriptorsInParts has more descriptors than are listed at once: the listing goes on where it
// stopped, by the limit or because its reader wanted no more.
func TestDescriptorsInParts(t *testing.T) {
	process := sleeper(t, os.Stdin, os.Stdin, os.Stdin) // It has those from 0 to 5, and what this process has inherited.
	tests := map[string]struct {
		which DescriptorRange
		stop  int
		want  descriptorPart
	}{
		"a limit":           {DescriptorRange{Limit: 2}, 1000, descriptorPart{DescriptorListing{2, 2}, []int{0, 1}}},
		"a reader's stop":   {DescriptorRange{Limit: 1000}, 2, descriptorPart{DescriptorListing{2, 2}, []int{0, 1}}},
		"from a descriptor": {DescriptorRange{From: 2, Limit: 3}, 1000, descriptorPart{DescriptorListing{3, 5}, []int{2, 3, 4}}},
		"behind the last":   {DescriptorRange{From: 1 << 20, Limit: 1000}, 1000, descriptorPart{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := listDescriptors(t, process, test.which, test.stop)
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(descriptorPart{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := process.Descriptors(ctx, DescriptorRange{Limit: 1000}, func(*Descriptor) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Errorf("Descriptors = %v, want %v", err, context.Canceled)
	}
}

// sleeper starts a process that has these files open beside the three that every program has.
func sleeper(t *testing.T, files ...*os.File) *Process {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sleep", "60")
	command.ExtraFiles = files
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	fs, err := NewFS(DefaultRoot)
	if err != nil {
		t.Fatal(err)
	}
	process, err := fs.Open(command.Process.Pid)
	t.Cleanup(func() {
		process.Close()
		fs.Close()
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	if err != nil {
		t.Fatal(err)
	}
	return process
}

// descriptorPart is a part of the descriptors of a process.
type descriptorPart struct {
	DescriptorListing

	fds []int
}

// listDescriptors lists descriptors until so many were visited.
func listDescriptors(t *testing.T, process *Process, which DescriptorRange, stop int) (part descriptorPart) {
	t.Helper()
	listing, err := process.Descriptors(t.Context(), which, func(d *Descriptor) bool {
		part.fds = append(part.fds, d.FD)
		return len(part.fds) < stop
	})
	if err != nil {
		t.Fatal(err)
	}
	part.DescriptorListing = listing
	return part
}

// TestFixtureDescriptorsInParts has a directory that is no procfs: one can't go to a place in it.
func TestFixtureDescriptorsInParts(t *testing.T) {
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5})
	fake.Mkdir("proc/5/fd")
	for fd := range 5 {
		fake.Link(fmt.Sprintf("socket:[%d]", 100+fd), fmt.Sprintf("proc/5/fd/%d", fd))
	}
	got := listDescriptors(t, openProcess(t, fake, 5), DescriptorRange{From: 3, Limit: 5}, 5)
	slices.Sort(got.fds)
	if diff := cmp.Diff([]int{3, 4}, got.fds); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Where the descriptors may not be listed, the information about them may.
func TestDescriptorSocketsByInfo(t *testing.T) {
	sockets, err := socketMount()
	if err != nil {
		t.Fatal(err)
	}
	fake := fakeproc.New(t)
	fake.Mkdir("forbidden/fd")
	info := func(process, fd int, mount uint64, inode string) {
		fake.Write(fmt.Sprintf("proc/%d/fdinfo/%d", process, fd), fmt.Sprintf("pos:\t0\nflags:\t02\nmnt_id:\t%d\n%sscm_fds: 0\n", mount, inode))
	}
	for _, pid := range []int{5, 6, 7} {
		fake.Add(fakeproc.Process{PID: pid})
		fake.Forbid(fmt.Sprintf("proc/%d/fd", pid))
	}
	info(5, 0, sockets, "ino:\t42\n")
	info(5, 1, sockets+1, "ino:\t43\n")
	info(5, 2, sockets, "ino:\t7\n")
	info(6, 0, sockets, "") // As before Linux 5.14.
	fake.Forbid("proc/7/fdinfo")
	fake.Mkdir("forbidden/fdinfo")
	process, old, closed := openProcess(t, fake, 5), openProcess(t, fake, 6), openProcess(t, fake, 7)
	fake.WithoutRights(func() {
		inodes, seen, err := inodesOf(t, process)
		if diff := cmp.Diff([]uint64{7, 42}, inodes); diff != "" || seen != 3 || err != nil {
			t.Errorf("saw %d descriptors, %v -want +got:\n%s", seen, err, diff)
		}
		if inodes, seen, err := inodesOf(t, old); !errors.Is(err, ErrDenied) {
			t.Errorf("inodes %v of %d descriptors without inodes: %v, want %v", inodes, seen, err, ErrDenied)
		}
		if inodes, seen, err := inodesOf(t, closed); !errors.Is(err, ErrDenied) {
			t.Errorf("inodes %v of %d descriptors: %v, want %v", inodes, seen, err, ErrDenied)
		}
	})
}

// A leader that ended has no descriptors; what its threads hold stays open.
func TestDescriptorSocketsOfEndedLeader(t *testing.T) {
	tests := map[string]struct {
		process fakeproc.Process
		holders map[int]uint64
		want    []uint64
	}{
		"a living leader":   {fakeproc.Process{Others: []fakeproc.Thread{{TID: 6}}}, map[int]uint64{6: 42}, nil},
		"an ended leader":   {fakeproc.Process{Stat: fakeproc.ZombieStat, Others: []fakeproc.Thread{{TID: 6}}}, map[int]uint64{6: 42}, []uint64{42}},
		"an ended thread":   {fakeproc.Process{Stat: fakeproc.ZombieStat, Others: []fakeproc.Thread{{TID: 6, Stat: fakeproc.ZombieStat}, {TID: 7}}}, map[int]uint64{7: 42}, []uint64{42}},
		"a zombie":          {fakeproc.Process{Stat: fakeproc.ZombieStat}, nil, nil},
		"all threads ended": {fakeproc.Process{Stat: fakeproc.ZombieStat, Others: []fakeproc.Thread{{TID: 6, Stat: fakeproc.ZombieStat}}}, nil, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := fakeproc.New(t)
			test.process.PID = 5
			fake.Add(test.process)
			fake.Mkdir("proc/5/fd")
			for tid, inode := range test.holders {
				dir := fmt.Sprintf("proc/5/task/%d/fd", tid)
				fake.Mkdir(dir)
				fake.Link(fmt.Sprintf("socket:[%d]", inode), dir+"/3")
			}
			inodes, seen, err := inodesOf(t, openProcess(t, fake, 5))
			if diff := cmp.Diff(test.want, inodes); diff != "" || seen != len(test.want) || err != nil {
				t.Errorf("saw %d descriptors, %v -want +got:\n%s", seen, err, diff)
			}
		})
	}
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5})
	if _, seen, err := inodesOf(t, openProcess(t, fake, 5)); !errors.Is(err, ErrVanished) {
		t.Errorf("%d descriptors of a process that is gone: %v, want %v", seen, err, ErrVanished)
	}
}

// Both ways find this process's own sockets, by the kernel's own texts.
func TestOwnDescriptorSockets(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer procfd.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		t.Fatal(err)
	}
	process := ownProcess(t)
	if inodes, seen, err := inodesOf(t, process); err != nil || !slices.Contains(inodes, stat.Ino) {
		t.Errorf("socket %d is not among %v of %d descriptors, %v", stat.Ino, inodes, seen, err)
	}
	var inodes []uint64
	d := descriptors{buffer: new(procfd.Buffer), which: DescriptorRange{Limit: 1000}, visit: func(d *Descriptor) bool {
		if inode, ok := d.Socket(); ok {
			inodes = append(inodes, inode)
		}
		return true
	}}
	if d.dir, err = procfd.OpenDir(process.fd, "fdinfo"); err != nil {
		t.Fatal(err)
	}
	if err := d.infos(t.Context()); err != nil || !slices.Contains(inodes, stat.Ino) {
		t.Errorf("socket %d is not among %v of %d descriptors, %v", stat.Ino, inodes, d.listed.Seen, err)
	}
}

func FuzzParseDescriptorInfo(f *testing.F) {
	f.Add([]byte("pos:\t0\nflags:\t02000002\nmnt_id:\t10\nino:\t105898\nscm_fds: 0\n"), uint64(10), uint64(105898))
	f.Add([]byte("pos:\t0\nflags:\t02000002\nmnt_id:\t17\n"), uint64(0), uint64(0))
	f.Add([]byte("pos:\t0\nflags:\t02000002\nmnt_id:\t17\ntfd:        3 events:       1f data:                3  pos:0 ino:19da8 sdev:9\n"), uint64(0), uint64(1)<<63)
	f.Fuzz(func(t *testing.T, text []byte, mount, inode uint64) {
		if _, _, ok := parseDescriptorInfo(text); ok && len(text) < len("mnt_id:1\nino:1\n") {
			t.Errorf("%q has both", text)
		}
		whole := fmt.Appendf(nil, "pos:\t%d\nflags:\t0100000\nmnt_id:\t%d\nino:\t%d\n%s", inode, mount, inode, text)
		if gotMount, gotInode, ok := parseDescriptorInfo(whole); !ok || gotMount != mount || gotInode != inode {
			t.Errorf("%q is of mount %d and inode %d, %t", whole, gotMount, gotInode, ok)
		}
	})
}

func FuzzParseSocketLink(f *testing.F) {
	f.Add([]byte("socket:[42]"), uint64(42))
	f.Add([]byte("/socket:[42]"), uint64(0))
	f.Add([]byte("socket:[-1]"), uint64(1)<<63)
	f.Fuzz(func(t *testing.T, link []byte, inode uint64) {
		if got, ok := parseSocketLink(link); ok && !slices.Contains(link, '[') {
			t.Errorf("%q is socket %d", link, got)
		}
		if got, ok := parseSocketLink([]byte("socket:[" + strconv.FormatUint(inode, 10) + "]")); !ok || got != inode {
			t.Errorf("socket %d is %d, %t", inode, got, ok)
		}
	})
}
