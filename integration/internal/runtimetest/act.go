// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/reexec"
)

// Acted is the command of a process that has taken its steps.
const Acted = "acted"

// Actor takes the steps of /bin/act.
type Actor struct {
	steps map[string]Step
	last  map[string]LastStep
}

// Step is one step, of which value is what follows the colon.
type Step = func(value string) error

// LastStep is a step that takes all arguments that follow.
type LastStep = func(a *Actor, value string, args []string) error

// Program is what a test's own program can do in a container beyond what that of every test can.
type Program struct {
	// Roles are further programs, on the host or in an image that has a file of that name.
	Roles reexec.Roles
	Steps map[string]Step
	Last  map[string]LastStep
}

func (p Program) actor() *Actor {
	a := &Actor{steps: steps(), last: lastSteps()}
	maps.Copy(a.steps, p.Steps)
	maps.Copy(a.last, p.Last)
	return a
}

// actAndTell takes the steps on the first thread, and tells by the process's command that it has.
func (a *Actor) actAndTell(args []string) error {
	if err := a.Act(args); err != nil {
		return err
	}
	return Tell()
}

// Tell is what a process does that has taken its steps: the container's process by its command, one that "fork" made also
// to its parent.
func Tell() error {
	name, err := unix.BytePtrFromString(Acted)
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0); err != nil {
		return err
	}
	return TellParent()
}

// Act takes the steps one after the other. Those of credentials are taken by the calling thread alone, which is the
// first one of the process unless "thread" comes before. Some steps take all that follow, or those before a ";". For
// steps inside of these, that is a ";;".
func (a *Actor) Act(args []string) error {
	for i := 0; i < len(args); i++ {
		name, value, _ := strings.Cut(args[i], ":")
		if step, ok := a.last[name]; ok {
			own := until(args[i+1:])
			if err := step(a, value, inner(own)); err != nil {
				return fmt.Errorf("%s: %w", args[i], err)
			}
			i += len(own) + 1
			continue
		}
		step, ok := a.steps[name]
		if !ok {
			return fmt.Errorf("there is no step %q", args[i])
		}
		if err := step(value); err != nil {
			return fmt.Errorf("%s: %w", args[i], err)
		}
	}
	return nil
}

// until returns what is before the end of a step that takes others.
func until(args []string) []string {
	if end := slices.Index(args, ";"); end >= 0 {
		return args[:end]
	}
	return args
}

// inner returns the arguments of a step as they are for those inside of it.
func inner(args []string) []string {
	own := slices.Clone(args)
	for i, arg := range own {
		if arg != "" && strings.Trim(arg, ";") == "" {
			own[i] = arg[1:]
		}
	}
	return own
}

func steps() map[string]Step {
	return map[string]Step{
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

func lastSteps() map[string]LastStep {
	return map[string]LastStep{
		// The rest is what another thread does.
		"thread": func(a *Actor, _ string, args []string) error { return onThread(func() error { return a.Act(args) }) },
		// The rest is the program that this process becomes, or starts one or more times.
		"exec":  func(_ *Actor, _ string, args []string) error { return become(args) },
		"start": startPrograms,
		// fork or fork:3: as many children take the rest, and have done so before this goes on.
		"fork":   fork,
		"nested": func(_ *Actor, _ string, args []string) error { return startNested(args) },
		// The first thread ends, and the others go on.
		"end-leader": func(*Actor, string, []string) error {
			if err := Tell(); err != nil {
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
func startPrograms(_ *Actor, value string, args []string) error {
	return repeat(value, func() error { return program(args).Start() })
}

// repeat does something once, or as many times as value says.
func repeat(value string, do func() error) error {
	n := 1
	if value != "" {
		var err error
		if n, err = strconv.Atoi(value); err != nil {
			return err
		}
	}
	for range n {
		if err := do(); err != nil {
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
