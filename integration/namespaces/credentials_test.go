// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// The part "restrict": what a container's runtime does to its process before it becomes the
// program. It goes through the same steps in the same order.
const (
	restrictedUID, restrictedGID = 405, 100
	restrictedFilters            = 2
)

func restrictedGroups() []int { return []int{10, 100, 4000} }

// keptCapability stays in the bounding set; the others are dropped from it.
const keptCapability = unix.CAP_NET_BIND_SERVICE

// restrict gives up rights as a runtime does.
func restrict(role) error {
	for capability := range 64 {
		if capability == keptCapability {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(capability), 0, 0, 0); err != nil {
			break // The kernel has no more of them.
		}
	}
	if err := syscall.Setgroups(restrictedGroups()); err != nil {
		return err
	}
	if err := syscall.Setresgid(restrictedGID, restrictedGID, restrictedGID); err != nil {
		return err
	}
	if err := syscall.Setresuid(restrictedUID, restrictedUID, restrictedUID); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	for range restrictedFilters {
		if err := allowAll(); err != nil {
			return err
		}
	}
	ready("")
	return awaitEnd()
}

// allowAll installs a seccomp filter that allows everything, for this thread.
func allowAll() error {
	program := [...]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&fprog)), 0, 0)
	runtime.KeepAlive(&program)
	return err
}

// otherUser changes the ids of one thread that is not the leader, as raw system calls do: the
// others stay root.
func otherUser(role) error {
	tids, errs := make(chan int), make(chan error)
	go func() {
		runtime.LockOSThread()
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, restrictedUID, restrictedUID, 0); errno != 0 {
			errs <- errno
			return
		}
		tids <- unix.Gettid()
		_ = awaitEnd()
		select {} // A thread with other ids may not be given back.
	}()
	select {
	case err := <-errs:
		return err
	case tid := <-tids:
		ready("%d", tid)
		return awaitEnd()
	}
}

// manyGroups is in as many supplementary groups as the kernel allows.
func manyGroups(role) error {
	groups := make([]int, 65536)
	for i := range groups {
		groups[i] = 1_000_000_000 + i
	}
	if err := syscall.Setgroups(groups); err != nil {
		return err
	}
	ready("")
	return awaitEnd()
}

// changeRoot has another root directory. It is in a mount namespace of its own, and in the one
// with an N it is crowded: a directory of a long name is mounted N times.
func changeRoot(r role) error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return err
	}
	dir := filepath.Join(r.Path, strings.Repeat("x", 200))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for range r.N {
		if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return err
	}
	if r.N == 0 {
		if err := unix.Chroot(dir); err != nil {
			return err
		}
	}
	ready("%s", dir)
	return awaitEnd()
}

// TestCredentials has a process that is restricted as one in a container.
func TestCredentials(t *testing.T) {
	fs := openProcfs(t)
	p := launch(t, launchOptions{role: role{Do: "restrict"}})
	p.ready()
	got, err := openProcess(t, fs, p.pid).Credentials()
	if err != nil {
		t.Fatal(err)
	}
	uid, gid := uint32(restrictedUID), uint32(restrictedGID)
	want := nsinspect.Credentials{
		UIDs:   nsinspect.IDs{Real: uid, Effective: uid, Saved: uid, Filesystem: uid},
		GIDs:   nsinspect.IDs{Real: gid, Effective: gid, Saved: gid, Filesystem: gid},
		Groups: []uint32{10, 100, 4000}, Bounding: 1 << keptCapability,
		NoNewPrivileges: true, Seccomp: nsinspect.SeccompFilter, Filters: restrictedFilters,
		Known: got.Known,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !got.Known.Has(nsinspect.FieldNoNewPrivileges | nsinspect.FieldSeccomp) {
		t.Errorf("known fields %b", got.Known)
	}
}

// TestThreadCredentials has a thread that is another user than its process.
func TestThreadCredentials(t *testing.T) {
	fs := openProcfs(t)
	p := launch(t, launchOptions{role: role{Do: "other user"}})
	tid := p.number()
	process := openProcess(t, fs, p.pid)
	for id, want := range map[int]nsinspect.IDs{p.pid: {}, tid: {Real: restrictedUID, Effective: restrictedUID, Filesystem: restrictedUID}} {
		got, err := process.ThreadCredentials(id)
		if err != nil {
			t.Fatal(err)
		}
		if got.UIDs != want || !got.UIDs.Has(0) {
			t.Errorf("thread %d: user ids %+v, want %+v", id, got.UIDs, want)
		}
	}
}

// TestCredentialsOfUserNamespaces has root of a user namespace: for the reader it is another user.
func TestCredentialsOfUserNamespaces(t *testing.T) {
	fs := openProcfs(t)
	p := launch(t, launchOptions{role: role{Do: "block"}, flags: unix.CLONE_NEWUSER})
	p.ready()
	process := openProcess(t, fs, p.pid)
	got, err := process.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	if got.UIDs.Effective != 100_000 || got.Effective == 0 {
		t.Errorf("user ids %+v, effective capabilities %x", got.UIDs, got.Effective)
	}
	maps, err := process.IDMaps()
	want := nsinspect.IDMap{{Inside: 0, Outside: 100_000, Count: 1}}
	if err != nil || !cmp.Equal(maps, nsinspect.IDMaps{UIDs: want, GIDs: want}) {
		t.Errorf("maps %+v, %v", maps, err)
	}
}

// TestManyGroups has a status of 722 KB: it is refused.
func TestManyGroups(t *testing.T) {
	fs := openProcfs(t)
	p := launch(t, launchOptions{role: role{Do: "many groups"}})
	p.ready()
	got, err := openProcess(t, fs, p.pid).Credentials()
	if !errors.Is(err, nsinspect.ErrTooLarge) {
		t.Errorf("Credentials = %d groups, %v, want %v", len(got.Groups), err, nsinspect.ErrTooLarge)
	}
}

// TestCredentialsOfAZombie has the files of a process that has ended and still has a pid.
func TestCredentialsOfAZombie(t *testing.T) {
	fs := openProcfs(t)
	process := openProcess(t, fs, launch(t, launchOptions{role: role{Do: "zombie"}}).number())
	if _, err := process.Credentials(); err != nil || !process.Ended() {
		t.Errorf("its last credentials: %v; ended: %t", err, process.Ended())
	}
	for name, read := range map[string]func() error{
		"mounts": func() error { _, err := process.Mounts(); return err },
		"root":   func() error { _, err := process.RootDir(); return err },
	} {
		if err := read(); !errors.Is(err, nsinspect.ErrVanished) {
			t.Errorf("%s: %v, want %v", name, err, nsinspect.ErrVanished)
		}
	}
	if label, err := process.Label(); err != nil && !errors.Is(err, nsinspect.ErrAbsent) && !errors.Is(err, nsinspect.ErrVanished) {
		t.Errorf("label %+v, %v", label, err)
	}
}

// TestRootDir has a process that changed its root: its mounts begin there.
func TestRootDir(t *testing.T) {
	fs := openProcfs(t)
	own, err := openProcess(t, fs, os.Getpid()).RootDir()
	if err != nil {
		t.Fatal(err)
	}
	p := launch(t, launchOptions{role: role{Do: "change root", Path: t.TempDir()}, flags: unix.CLONE_NEWNS})
	dir := p.ready()
	process := openProcess(t, fs, p.pid)
	got, err := process.RootDir()
	if err != nil || got == own {
		t.Errorf("root %+v, %v; this test's own is %+v", got, err, own)
	}
	mounts, err := process.Mounts()
	if err != nil || len(mounts) != 1 || mounts[0].Point != "/" || !mounts[0].ReadOnly || !strings.HasSuffix(dir, filepath.Base(mounts[0].Root)) {
		t.Errorf("mounts %+v, %v", mounts, err)
	}
	// The one that it was started by sees the host's files, in a mount namespace of its own.
	if crowd, err := openProcess(t, fs, os.Getpid()).Mounts(); err != nil || len(crowd) < 2 {
		t.Errorf("this test's own mounts: %d, %v", len(crowd), err)
	}
}

// TestManyMounts has more mounts than are read.
func TestManyMounts(t *testing.T) {
	fs := openProcfs(t)
	const lines = 4000 // Of more than 400 bytes each: the name of the directory is in each of them twice.
	p := launch(t, launchOptions{role: role{Do: "change root", Path: t.TempDir(), N: lines}, flags: unix.CLONE_NEWNS})
	p.ready()
	process := openProcess(t, fs, p.pid)
	if mounts, err := process.Mounts(); !errors.Is(err, nsinspect.ErrTooLarge) {
		t.Errorf("Mounts = %d mounts, %v, want %v", len(mounts), err, nsinspect.ErrTooLarge)
	}
	own, err := openProcess(t, fs, os.Getpid()).RootDir()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := process.RootDir(); err != nil || got != own {
		t.Errorf("root %+v, %v; it is still the host's, %+v", got, err, own)
	}
}

// TestLabel compares with what this machine's kernel has.
func TestLabel(t *testing.T) {
	fs := openProcfs(t)
	label, err := openProcess(t, fs, os.Getpid()).Label()
	switch enabled, _ := os.ReadFile("/sys/module/apparmor/parameters/enabled"); {
	case strings.HasPrefix(string(enabled), "Y"):
		if err != nil || label.Module != nsinspect.AppArmor || label.Name == "" {
			t.Errorf("Label = %+v, %v on a machine with AppArmor", label, err)
		}
	case fileExists("/sys/fs/selinux/enforce"):
		if err != nil || label.Module != nsinspect.SELinux || label.Type() == "" {
			t.Errorf("Label = %+v, %v on a machine with SELinux", label, err)
		}
	default:
		if !errors.Is(err, nsinspect.ErrAbsent) {
			t.Errorf("Label = %+v, %v on a machine without either, want %v", label, err, nsinspect.ErrAbsent)
		}
	}
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
