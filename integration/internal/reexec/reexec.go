// SPDX-License-Identifier: Apache-2.0

// Package reexec starts a test binary again in another role: as a process that has other namespaces or fewer rights, or
// as the program of a container.
package reexec

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Binary is the running program. It can be executed also where, or as a user to whom, its path is not accessible.
const Binary = "/proc/self/exe"

// env holds the role of a process that was started by Command.
const env = "NSAUDIT_TEST_ROLE"

// Roles are what the test binary can be started as, by name. A role gets the process's arguments, and the process ends
// when it returns.
type Roles map[string]func(args []string) error

// A role is played on the process's first thread, which /proc/PID shows. The main goroutine can be kept there only by an
// init function. A program that is named like none of Go's test binaries is one of a container.
func init() { //nolint:gochecknoinits // See above.
	if os.Getenv(env) != "" || !strings.HasSuffix(os.Args[0], ".test") {
		runtime.LockOSThread()
	}
}

// Play is to be called first in TestMain. In a process that was started in a role it plays that role and exits, with an
// error's message on the standard error; otherwise it returns.
//
// The name of a role is what Command was given, or else the base name of the program: in a container image, it is the
// name of the file that the binary was copied to.
func Play(roles Roles) {
	name := os.Getenv(env)
	play, ok := roles[name]
	if name == "" {
		name = filepath.Base(os.Args[0])
		if play, ok = roles[name]; !ok {
			return
		}
	}
	err := errors.New("there is no such role")
	if ok {
		err = play(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Command returns the command that starts this binary in a role.
func Command(role string, args ...string) *exec.Cmd {
	cmd := exec.Command(Binary, args...)
	cmd.Env = Environ(role)
	return cmd
}

// Environ returns this process's environment with another role; "" is for programs that have none.
func Environ(role string) []string {
	var entries []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, env+"=") {
			entries = append(entries, entry)
		}
	}
	if role == "" {
		return entries
	}
	return append(entries, env+"="+role)
}
