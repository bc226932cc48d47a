// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/reexec"
)

// Acted is the command of a process that has taken its steps.
const Acted = "acted"

// actAndTell takes the steps on the first thread, and tells by the process's command that it has.
func actAndTell(args []string) error {
	if err := act(args); err != nil {
		return err
	}
	return tell()
}

func tell() error {
	name, err := unix.BytePtrFromString(Acted)
	if err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0)
}

// act takes the steps one after the other. Those of credentials are taken by the calling thread alone, which is the
// first one of the process unless "thread" comes before. Some steps take all arguments that follow.
func act(args []string) error {
	for i, arg := range args {
		name, value, _ := strings.Cut(arg, ":")
		if step, ok := lastSteps()[name]; ok {
			return step(value, args[i+1:])
		}
		step, ok := steps()[name]
		if !ok {
			return fmt.Errorf("there is no step %q", arg)
		}
		if err := step(value); err != nil {
			return fmt.Errorf("%s: %w", arg, err)
		}
	}
	return nil
}

func steps() map[string]func(value string) error {
	return map[string]func(value string) error{
		"groups":      setGroups,  // groups:10,100
		"many-groups": manyGroups, // many-groups:65536
		"gid":         withIDs(unix.SYS_SETRESGID),
		"uid":         withIDs(unix.SYS_SETRESUID), // uid:405, or real, effective and saved: uid:405,405,0
		"all-uid":     allUIDs,                     // of every thread
		"nnp":         func(string) error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) },
		"filters":     addFilters, // filters:2
		"no-caps":     func(string) error { return setCapabilities(0, 0, 0) },
		"mnt":         func(string) error { return unix.Unshare(unix.CLONE_NEWNS) },
		"chroot":      changeRoot, // chroot:/host
		"writable":    func(path string) error { return unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_BIND, "") },
		"unmount":     func(path string) error { return unix.Unmount(path, unix.MNT_DETACH) },
		"mounts":      crowd, // mounts:15
	}
}

func lastSteps() map[string]func(value string, args []string) error {
	return map[string]func(value string, args []string) error{
		// The rest is what another thread does.
		"thread": func(_ string, args []string) error { return onThread(func() error { return act(args) }) },
		// The rest is the program that this process becomes, or starts one or more times.
		"exec":   func(_ string, args []string) error { return become(args) },
		"start":  startPrograms,
		"nested": func(_ string, args []string) error { return startNested(args) },
		// The first thread ends, and the others go on.
		"end-leader": func(string, []string) error {
			if err := tell(); err != nil {
				return err
			}
			_, _, errno := syscall.Syscall(unix.SYS_EXIT, 0, 0, 0)
			return errno
		},
	}
}

func become(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("want a program")
	}
	return unix.Exec(args[0], args, os.Environ())
}

// startPrograms starts one program, or as many as value says.
func startPrograms(value string, args []string) error {
	n := 1
	if value != "" {
		var err error
		if n, err = strconv.Atoi(value); err != nil {
			return err
		}
	}
	for range n {
		if err := program(args).Start(); err != nil {
			return err
		}
	}
	return nil
}

func program(args []string) *exec.Cmd {
	cmd := &exec.Cmd{Path: args[0], Args: args, Env: reexec.Environ(""), Stderr: os.Stderr}
	return cmd
}

// startNested starts a program as root of a user namespace below this one.
func startNested(args []string) error {
	cmd := program(args)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	return cmd.Start()
}

func changeRoot(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Chroot(dir); err != nil {
		return err
	}
	return unix.Chdir("/")
}

// crowd makes 2 to the power of value mounts. Each system call doubles them: the kernel takes a millisecond for one.
func crowd(value string) error {
	n, err := strconv.Atoi(value)
	if err != nil {
		return err
	}
	const dir = "/tmp/crowd"
	for i := range n {
		if err := os.MkdirAll(filepath.Join(dir, strconv.Itoa(i)), 0o755); err != nil {
			return err
		}
	}
	target := dir
	for i := range n + 1 {
		if err := unix.Mount(dir, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
		target = filepath.Join(dir, strconv.Itoa(i))
	}
	return nil
}
