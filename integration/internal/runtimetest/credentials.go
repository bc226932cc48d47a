// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// The functions here change the calling thread alone, by raw system calls, unless they say otherwise.

func numbers(value string) ([]int, error) {
	var all []int
	for field := range strings.SplitSeq(value, ",") {
		number, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		all = append(all, number)
	}
	return all, nil
}

// threeIDs are the real, effective and saved id: one number stands for all three.
func threeIDs(value string) ([3]int, error) {
	ids, err := numbers(value)
	switch {
	case err != nil:
		return [3]int{}, err
	case len(ids) == 1:
		return [3]int{ids[0], ids[0], ids[0]}, nil
	case len(ids) == 3:
		return [3]int(ids), nil
	}
	return [3]int{}, fmt.Errorf("want 1 or 3 numbers, got %q", value)
}

func withIDs(call uintptr) func(value string) error {
	return func(value string) error {
		ids, err := threeIDs(value)
		if err != nil {
			return err
		}
		return setIDs(call, ids)
	}
}

func setIDs(call uintptr, ids [3]int) error {
	if _, _, errno := syscall.RawSyscall(call, uintptr(ids[0]), uintptr(ids[1]), uintptr(ids[2])); errno != 0 {
		return errno
	}
	return nil
}

// allUIDs changes every thread.
func allUIDs(value string) error {
	ids, err := threeIDs(value)
	if err != nil {
		return err
	}
	return syscall.Setresuid(ids[0], ids[1], ids[2])
}

// setGroups takes a list, which may be empty.
func setGroups(value string) error {
	if value == "" {
		return groupList(nil)
	}
	ids, err := numbers(value)
	if err != nil {
		return err
	}
	return groupList(ids)
}

func manyGroups(value string) error {
	n, err := strconv.Atoi(value)
	if err != nil {
		return err
	}
	ids := make([]int, n)
	for i := range ids {
		ids[i] = 1_000_000_000 + i
	}
	return groupList(ids)
}

func groupList(ids []int) error {
	list := make([]uint32, 1, len(ids)+1)
	for _, id := range ids {
		list = append(list, uint32(id))
	}
	// The first is there to have an address if the list is empty.
	list = append(list[1:], list[0])
	_, _, errno := syscall.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(ids)), uintptr(unsafe.Pointer(&list[0])), 0)
	runtime.KeepAlive(list)
	if errno != 0 {
		return errno
	}
	return nil
}

// addFilters adds seccomp filters that allow everything. It takes no_new_privs or CAP_SYS_ADMIN.
func addFilters(value string) error {
	n, err := strconv.Atoi(value)
	if err != nil {
		return err
	}
	for range n {
		program := [...]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}
		fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
		err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&fprog)), 0, 0)
		runtime.KeepAlive(&program)
		if err != nil {
			return err
		}
	}
	return nil
}

func setCapabilities(effective, permitted, inheritable nsinspect.Capabilities) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		data[i] = unix.CapUserData{
			Effective: uint32(effective >> (32 * i)), Permitted: uint32(permitted >> (32 * i)), Inheritable: uint32(inheritable >> (32 * i)),
		}
	}
	return unix.Capset(&header, &data[0])
}

// likeThread returns what makes a thread of root as restricted as the first of a process, in a runtime's order. The profile
// of AppArmor is that of the program that it executes then.
func likeThread(pid string) (func() error, error) {
	process, err := openProcess(pid)
	if err != nil {
		return nil, err
	}
	defer process.Close()
	credentials, err := process.Credentials()
	if err != nil {
		return nil, err
	}
	confine, err := confineLike(process)
	if err != nil {
		return nil, err
	}
	uids, gids := credentials.UIDs, credentials.GIDs
	groups := make([]int, len(credentials.Groups))
	for i, group := range credentials.Groups {
		groups[i] = int(group)
	}
	return func() error {
		if err := confine(); err != nil {
			return fmt.Errorf("set the profile: %w", err)
		}
		if err := limitBounding(credentials.Bounding); err != nil {
			return fmt.Errorf("limit the bounding set: %w", err)
		}
		if err := groupList(groups); err != nil {
			return fmt.Errorf("set groups: %w", err)
		}
		if err := setIDs(unix.SYS_SETRESGID, [3]int{int(gids.Real), int(gids.Effective), int(gids.Saved)}); err != nil {
			return fmt.Errorf("set gid: %w", err)
		}
		if err := setIDs(unix.SYS_SETRESUID, [3]int{int(uids.Real), int(uids.Effective), int(uids.Saved)}); err != nil {
			return fmt.Errorf("set uid: %w", err)
		}
		if !credentials.NoNewPrivileges && credentials.Filters == 0 {
			return nil
		}
		// A filter takes it, or CAP_SYS_ADMIN, which may be gone.
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("set no_new_privs: %w", err)
		}
		return addFilters(strconv.Itoa(credentials.Filters))
	}, nil
}

// confineLike returns what gives the next program of the calling thread the profile of a process, if AppArmor confines it.
func confineLike(process *nsinspect.Process) (func() error, error) {
	label, err := process.Label()
	if errors.Is(err, nsinspect.ErrAbsent) || err == nil && (label.Module != nsinspect.AppArmor || label.Name == nsinspect.Unconfined) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, err
	}
	// It is opened now: in another mount namespace the path may lead elsewhere.
	file, err := os.OpenFile("/proc/thread-self/attr/apparmor/exec", os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	return func() error {
		_, err := file.WriteString("exec " + label.Name)
		return errors.Join(err, file.Close())
	}, nil
}

func limitBounding(to nsinspect.Capabilities) error {
	for capability := range 64 {
		if to>>capability&1 == 1 {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(capability), 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			break // The kernel has no more of them.
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func openProcess(pid string) (*nsinspect.Process, error) {
	number, err := strconv.Atoi(pid)
	if err != nil {
		return nil, err
	}
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		return nil, err
	}
	defer fs.Close()
	return fs.Open(number)
}
