// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/reexec"
)

// toldEnv is set in a process whose parent waits at the other end of this file until it has taken its steps.
const toldEnv = "NSAUDIT_TEST_TOLD"

const toldFile = 3

// fork has children take the steps. Go can't fork: they are this program anew, and are born where the calling thread is.
func fork(_ *Actor, value string, args []string) error {
	return repeat(value, func() error { return Fork(0, args) })
}

// Fork has one child take the steps, which is born in new namespaces of the kinds of the CLONE_NEW flags.
func Fork(flags uintptr, args []string) error {
	told, end, err := os.Pipe()
	if err != nil {
		return err
	}
	defer told.Close()
	cmd := &exec.Cmd{
		Path: reexec.Binary, Args: append([]string{"/bin/act"}, args...), Env: []string{toldEnv + "=1"},
		Stderr: os.Stderr, ExtraFiles: []*os.File{end},
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: flags},
	}
	// Children that have ended are then no zombies, and nobody has to wait for them.
	signal.Ignore(unix.SIGCHLD)
	err = cmd.Start()
	end.Close()
	if err != nil {
		return err
	}
	if _, err := told.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("child %d ended before it had taken its steps", cmd.Process.Pid)
	}
	return nil
}

// TellParent has a process that "fork" made tell its parent that it has taken its steps, under whatever command it has.
func TellParent() error {
	if os.Getenv(toldEnv) == "" {
		return nil
	}
	end := os.NewFile(toldFile, "told")
	if _, err := end.Write([]byte{1}); err != nil {
		return err
	}
	// Told once: what this process starts has nobody who waits.
	if err := os.Unsetenv(toldEnv); err != nil {
		return err
	}
	return end.Close()
}
