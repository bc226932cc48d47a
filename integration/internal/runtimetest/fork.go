// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/nsaudit/nsaudit/integration/internal/reexec"
)

// toldEnv is set in a process whose parent waits at the other end of this file until it has taken its steps.
const toldEnv = "NSAUDIT_TEST_TOLD"

const toldFile = 3

// fork has children take the steps. Go can't fork: they are this program anew, and are born where the calling thread is.
func fork(_ *Actor, value string, args []string) error {
	n := 1
	if value != "" {
		var err error
		if n, err = strconv.Atoi(value); err != nil {
			return err
		}
	}
	for range n {
		if err := forkOne(args); err != nil {
			return err
		}
	}
	return nil
}

func forkOne(args []string) error {
	told, end, err := os.Pipe()
	if err != nil {
		return err
	}
	defer told.Close()
	cmd := &exec.Cmd{
		Path: reexec.Binary, Args: append([]string{"/bin/act"}, args...), Env: []string{toldEnv + "=1"},
		Stderr: os.Stderr, ExtraFiles: []*os.File{end},
	}
	err = cmd.Start()
	end.Close()
	if err != nil {
		return err
	}
	if _, err := told.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("the child ended: %w", cmd.Wait())
	}
	return nil
}

func tellParent() error {
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
