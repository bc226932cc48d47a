// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/reexec"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

func namespaceSteps() map[string]runtimetest.Step {
	return map[string]runtimetest.Step{
		"unshare": unshare,     // unshare:net,ipc
		"pidfd":   joinByPIDFD, // pidfd:1,net,ipc
		"keep":    keep,        // keep:own=/proc/self/ns/net, which setns:$own then joins
		"bind":    bind,        // bind:/host/proc/1/ns/net,/tmp/net
		"mkdir":   func(path string) error { return os.MkdirAll(path, 0o755) },
		"stopped": func(string) error { return stopTraced() },
	}
}

func flags(kinds []string) (int, error) {
	all := map[string]int{
		"net": unix.CLONE_NEWNET, "ipc": unix.CLONE_NEWIPC, "uts": unix.CLONE_NEWUTS, "mnt": unix.CLONE_NEWNS,
		"pid": unix.CLONE_NEWPID, "user": unix.CLONE_NEWUSER, "cgroup": unix.CLONE_NEWCGROUP,
		"files": unix.CLONE_FILES, "fs": unix.CLONE_FS,
	}
	sum := 0
	for _, kind := range kinds {
		flag, ok := all[kind]
		if !ok {
			return 0, fmt.Errorf("there is no %q", kind)
		}
		sum |= flag
	}
	return sum, nil
}

func unshare(value string) error {
	flags, err := flags(strings.Split(value, ","))
	if err != nil {
		return err
	}
	return unix.Unshare(flags)
}

func joinByPIDFD(value string) error {
	number, kinds, _ := strings.Cut(value, ",")
	pid, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	flags, err := flags(strings.Split(kinds, ","))
	if err != nil {
		return err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, flags)
}

// keep opens a file for as long as the process lives.
func keep(value string) error {
	name, path, _ := strings.Cut(value, "=")
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return os.Setenv(name, fmt.Sprintf("/proc/self/fd/%d", fd))
}

func bind(value string) error {
	from, to, _ := strings.Cut(value, ",")
	if _, err := os.Stat(to); err != nil {
		if err := os.WriteFile(to, nil, 0o600); err != nil {
			return err
		}
	}
	return unix.Mount(from, to, "", unix.MS_BIND, "")
}

// stopTraced has the process be stopped for its parent, which traces it, for as long as that does not wait for it.
func stopTraced() error {
	if err := runtimetest.Tell(); err != nil {
		return err
	}
	if _, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGSTOP)
}

func hop(a *runtimetest.Actor, value string, args []string) error {
	stay, err := strconv.Atoi(value)
	if err != nil {
		return err
	}
	if err := a.Act(args); err != nil {
		return err
	}
	if err := runtimetest.TellParent(); err != nil {
		return err
	}
	time.Sleep(time.Duration(stay) * time.Millisecond)
	next := exec.Command(reexec.Binary)
	next.Args = append([]string{"/bin/act", "hop:" + value}, args...)
	if err := next.Start(); err != nil {
		return err
	}
	os.Exit(0)
	return nil
}

func inMemory(_ *runtimetest.Actor, name string, args []string) error {
	fd, err := unix.MemfdCreate(name, 0)
	if err != nil {
		return err
	}
	return becomeCopy(os.NewFile(uintptr(fd), name), fmt.Sprintf("/proc/self/fd/%d", fd), args)
}

func elsewhere(_ *runtimetest.Actor, path string, args []string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		return err
	}
	return becomeCopy(file, path, args)
}

func becomeCopy(file *os.File, path string, args []string) error {
	program, err := os.Open(reexec.Binary)
	if err != nil {
		return err
	}
	defer program.Close()
	if _, err := io.Copy(file, program); err != nil {
		return err
	}
	if !strings.HasPrefix(path, "/proc") {
		if err := file.Close(); err != nil {
			return err
		}
	}
	return unix.Exec(path, append([]string{"/bin/act"}, args...), os.Environ())
}
